/** One command at a time brings the stack up or down; another waits for it. */
import { linkSync, mkdirSync, rmSync } from "node:fs";
import { systemClock } from "../../lib/core/clock.ts";
import { CbError } from "../../lib/core/errors.ts";
import { rememberPid, runningPid } from "./daemon.ts";
import type { Layout } from "./layout.ts";

/** A first `up` makes the root file system, which takes a minute or two. */
const WAIT_MS = 10 * 60_000;
const LOOK_MS = 200;

/** Throws CbError "infrastructure" when another command holds the lock for longer than anything should take. */
export async function withLock<T>({ root, lock }: Layout, work: () => Promise<T>): Promise<T> {
  mkdirSync(root, { recursive: true, mode: 0o700 });
  const endMs = systemClock.nowMs() + WAIT_MS;
  while (!take(lock)) {
    const holder = runningPid(lock);
    if (holder === undefined) rmSync(lock, { force: true });
    else if (systemClock.nowMs() > endMs) {
      throw new CbError("infrastructure", `process ${holder} has been at work on the local stack for too long`, {
        hint: `end it, and remove ${lock}`,
      });
    } else await systemClock.sleep(LOOK_MS);
  }
  try {
    return await work();
  } finally {
    rmSync(lock, { force: true });
  }
}

/** The file gets its name when it is whole, so whoever finds it can read who holds it. */
function take(lock: string): boolean {
  const mine = `${lock}.${process.pid}`;
  rememberPid(mine, process.pid);
  try {
    linkSync(mine, lock);
    return true;
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "EEXIST") return false;
    throw error;
  } finally {
    rmSync(mine, { force: true });
  }
}
