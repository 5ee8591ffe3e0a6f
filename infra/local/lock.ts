/** Lets one command at a time start or stop the stack; another command waits for it. */
import { linkSync, mkdirSync, rmSync } from "node:fs";
import { systemClock } from "../../lib/core/clock.ts";
import { CbError } from "../../lib/core/errors.ts";
import { runningPid, writePidFile } from "./daemon.ts";
import type { Layout } from "./layout.ts";

/** The first `up` creates the root file system, which takes one to two minutes. */
const WAIT_MS = 10 * 60_000;
const POLL_MS = 200;

/** Throws CbError "infrastructure" when another command still holds the lock after 10 minutes. */
export async function withLock<T>({ root, lock }: Layout, work: () => Promise<T>): Promise<T> {
  mkdirSync(root, { recursive: true, mode: 0o700 });
  const endMs = systemClock.nowMs() + WAIT_MS;
  while (!acquire(lock)) {
    const holder = runningPid(lock);
    if (holder === undefined) rmSync(lock, { force: true });
    else if (systemClock.nowMs() > endMs) {
      throw new CbError("infrastructure", `process ${holder} holds the lock of the local stack for too long`, {
        hint: `end it, and remove ${lock}`,
      });
    } else await systemClock.sleep(POLL_MS);
  }
  try {
    return await work();
  } finally {
    rmSync(lock, { force: true });
  }
}

/** The pid file is written under another name and then linked, so another command never reads half of it. */
function acquire(lock: string): boolean {
  const ownFile = `${lock}.${process.pid}`;
  writePidFile(ownFile, process.pid);
  try {
    linkSync(ownFile, lock);
    return true;
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "EEXIST") return false;
    throw error;
  } finally {
    rmSync(ownFile, { force: true });
  }
}
