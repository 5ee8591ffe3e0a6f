/** Lets one command at a time change a site: two would make each resource twice. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { stat } from "node:fs/promises";
import { CbError } from "../../../lib/core/errors.ts";

/** Prints a line when it has the lock, and keeps the lock until its standard input ends, so also when this process is killed. */
const HOLD = "echo locked; exec cat >/dev/null";
const CONFLICT = 1;
/** The lock of a command that was killed ends some milliseconds after it, on busy cores a second. */
const WAIT_S = 5;

/**
 * Locks the folder, not a file in it, so nothing is left. A folder that does not exist is not locked: `work` reports it. Throws
 * CbError "infrastructure" when another command still has the lock after 5 s, and "config" without flock(1) of util-linux.
 */
export async function withFolderLock<Result>(root: string, work: () => Promise<Result>): Promise<Result> {
  const isFolder = await stat(root)
    .then((found) => found.isDirectory())
    .catch(() => false);
  if (!isFolder) return work();
  // In a session of its own: a Ctrl-C ends the work in order, and the lock after that.
  const holder = spawn("flock", ["--wait", String(WAIT_S), root, "sh", "-c", HOLD], {
    detached: true,
    stdio: ["pipe", "pipe", "ignore"],
  });
  const ended = new Promise<number | null>((resolve, reject) => {
    holder.once("error", (cause) =>
      reject(new CbError("config", `cannot run flock: ${cause.message}`, { hint: "install util-linux", cause })),
    );
    holder.once("close", resolve);
  });
  const code = await Promise.race([once(holder.stdout, "data").then(() => undefined), ended]);
  if (code !== undefined) {
    const reason = code === CONFLICT ? "another command changes the site" : `flock ended with ${code}`;
    throw new CbError("infrastructure", `${root} cannot be locked: ${reason}`, {
      hint: "run the command again when that one has ended",
    });
  }
  try {
    return await work();
  } finally {
    holder.stdin.end();
    await ended;
  }
}
