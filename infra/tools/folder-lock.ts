/** Lets one command at a time change what a folder describes: a site, the local stack. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { stat } from "node:fs/promises";
import { CbError } from "../../lib/core/errors.ts";

/** Prints a line when it has the lock, and keeps the lock until its standard input ends, so also when this process is killed. */
const HOLD = "echo locked; exec cat >/dev/null";
const CONFLICT = 1;

export interface FolderLock {
  /** At least 1. The lock of a command that was killed ends some milliseconds after it, on busy cores a second. */
  readonly waitS: number;
  /** The other command, for the error: "another command changes the site". */
  readonly holder: string;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Locks the folder, not a file in it, so nothing is left. A folder that does not exist is not locked: `work` reports it. Throws
 * CbError "infrastructure" when another command still has the lock after `waitS` seconds, "config" without flock(1) of util-linux,
 * and the reason of `signal` when it is aborted before the folder is locked.
 */
export async function withFolderLock<Result>(
  root: string,
  { waitS, holder: name, signal }: FolderLock,
  work: () => Promise<Result>,
): Promise<Result> {
  const isFolder = await stat(root)
    .then((found) => found.isDirectory())
    .catch(() => false);
  if (!isFolder) return work();
  signal?.throwIfAborted();
  // In a session of its own: a Ctrl-C ends the work in order, and the lock after that.
  const holder = spawn("flock", ["--wait", String(waitS), root, "sh", "-c", HOLD], {
    detached: true,
    stdio: ["pipe", "pipe", "ignore"],
  });
  const ended = new Promise<number | null>((resolve, reject) => {
    holder.once("error", (cause) =>
      reject(new CbError("config", `cannot run flock: ${cause.message}`, { hint: "install util-linux", cause })),
    );
    holder.once("close", resolve);
  });
  const stopWaiting = (): void => void holder.kill();
  signal?.addEventListener("abort", stopWaiting);
  const code = await Promise.race([once(holder.stdout, "data").then(() => undefined), ended]);
  signal?.removeEventListener("abort", stopWaiting);
  if (code !== undefined) {
    signal?.throwIfAborted();
    const reason = code === CONFLICT ? name : `flock ended with ${code}`;
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
