/** Runs a script that makes a part of a builder image in the cache folder: one at a time, with progress, and stoppable. */
import { type ChildProcess, spawn } from "node:child_process";
import { chmod, mkdir, utimes } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { CbError } from "../../core/errors.ts";
import { hostAptSettings } from "./apt-settings.ts";
import { ENSURE_SCRIPT } from "./scripts.ts";

export interface MakingProgress {
  /** What is being done, for people: "downloading packages". */
  readonly phase: string;
  /** A guess from the phases' usual share of the time, 0 to 100. */
  readonly percent: number;
  readonly elapsedMs: number;
}

/** A line that the script prints, what it begins, and how much of the time has usually passed by then, in percent. */
export type Phase = readonly [line: RegExp, phase: string, percent: number];

export interface Making {
  /** What is made, for errors: "the builder rootfs". */
  readonly what: string;
  /** Folder of what was made so; made, and closed to others. */
  readonly cache: string;
  /** Name in it. */
  readonly key: string;
  /** Path and arguments; before these it gets the folder to make it in. */
  readonly script: readonly [path: string, ...args: string[]];
  readonly phases: readonly Phase[];
  readonly onProgress: ((progress: MakingProgress) => void) | undefined;
  readonly signal: AbortSignal | undefined;
}

/** Lines of output that go into the error when it fails. */
const TAIL_LINES = 15;

/** Whether it is made. What is there counts as used now: others that make something remove what nobody used for a day. */
export async function isMade(cache: string, key: string): Promise<boolean> {
  try {
    await utimes(join(cache, key), new Date(), new Date());
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== "ENOENT";
  }
}

/**
 * Returns when it is made. Two callers at once, of one process or of several, make one: the second waits. Throws CbError
 * "infrastructure" with the last lines of what failed, "config" where no Debian archive is known, or "cancelled" when
 * `signal` aborts.
 */
export async function makeOnce({ what, cache, key, script, phases, onProgress, signal }: Making): Promise<void> {
  await mkdir(cache, { recursive: true });
  await chmod(cache, 0o700);
  signal?.throwIfAborted();
  const apt = await hostAptSettings();
  const startedAtMs = performance.now();
  const child = spawn("flock", [join(cache, "lock"), "bash", ENSURE_SCRIPT, cache, key, ...script], {
    // Its own process group, so that stopping it stops all of it.
    detached: true,
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, CB_MIRROR: apt.mirror, CB_SECURITY_MIRROR: apt.securityMirror, CB_APT_CONF: apt.conf },
  });
  const tail: string[] = [];
  const onLine = (line: string) => {
    tail.push(line);
    if (tail.length > TAIL_LINES) tail.shift();
    const found = phases.find(([pattern]) => pattern.test(line));
    if (found) onProgress?.({ phase: found[1], percent: found[2], elapsedMs: performance.now() - startedAtMs });
  };
  for (const stream of [child.stdout, child.stderr]) createInterface({ input: stream }).on("line", onLine);
  const stop = () => stopGroup(child);
  signal?.addEventListener("abort", stop);
  process.once("exit", stop);
  try {
    const code = await endOf(child);
    if (signal?.aborted) throw new CbError("cancelled", `making ${what} was cancelled`);
    if (code === 0) return;
    throw new CbError("infrastructure", `${what} could not be made:\n${tail.join("\n")}`, {
      hint: "is the Debian mirror reachable? CB_MIRROR names another; a proxy is taken from apt's settings",
    });
  } finally {
    signal?.removeEventListener("abort", stop);
    process.removeListener("exit", stop);
  }
}

function endOf(child: ChildProcess): Promise<number | null> {
  return new Promise((resolve, reject) => {
    child.once("close", resolve);
    child.once("error", (cause) => {
      reject(new CbError("infrastructure", "cannot run flock", { hint: "install util-linux", cause }));
    });
  });
}

function stopGroup({ pid }: ChildProcess): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, "SIGTERM");
  } catch {
    // It has ended by itself.
  }
}
