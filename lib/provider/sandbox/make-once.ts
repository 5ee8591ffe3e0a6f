/**
 * Runs a script that makes a part of a builder image in the cache folder. Only one process makes at a time; the caller gets
 * progress reports and can abort.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { chmod, mkdir, utimes } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { CbError } from "../../core/errors.ts";
import { signalProcess } from "../../core/signal-process.ts";
import { hostAptSettings } from "./apt-settings.ts";
import { ENSURE_SCRIPT } from "./scripts.ts";

export interface MakingProgress {
  /** The current step, shown to people: "downloading packages". */
  readonly phase: string;
  /** An estimate from the usual durations of the phases, 0 to 100. */
  readonly percent: number;
  readonly elapsedMs: number;
}

/** A line that the script prints, the phase that it begins, and the usual percentage of the time before it. */
export type Phase = readonly [line: RegExp, phase: string, percent: number];

export interface MakeOnceOptions {
  /** Name of the product in error messages: "the builder rootfs". */
  readonly product: string;
  /** Folder of the products. It is created, with mode 0700. */
  readonly cache: string;
  /** Name of the product's folder in `cache`. */
  readonly key: string;
  /** Path and arguments. Its first argument is the folder to write to; these arguments follow. */
  readonly script: readonly [path: string, ...args: string[]];
  readonly phases: readonly Phase[];
  readonly onProgress: ((progress: MakingProgress) => void) | undefined;
  readonly signal: AbortSignal | undefined;
}

/** Lines of the script's output that the error message shows. */
const TAIL_LINES = 15;

/**
 * Returns whether the cache has the product, and marks it as used now: makeOnce removes products that were not used for a day
 * (infra/image/cache/ensure.sh).
 */
export async function isMade(cache: string, key: string): Promise<boolean> {
  try {
    await utimes(join(cache, key), new Date(), new Date());
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== "ENOENT";
  }
}

/**
 * Resolves when the cache has the product. Concurrent callers, of one process or of several, make one: the others wait.
 * Throws CbError "infrastructure" with the last lines that the script printed, "config" when no Debian archive is known, or
 * "cancelled" when `signal` aborts.
 */
export async function makeOnce({
  product,
  cache,
  key,
  script,
  phases,
  onProgress,
  signal,
}: MakeOnceOptions): Promise<void> {
  await mkdir(cache, { recursive: true });
  await chmod(cache, 0o700);
  signal?.throwIfAborted();
  const apt = await hostAptSettings();
  const startedAtMs = performance.now();
  const child = spawn("flock", [join(cache, "lock"), "bash", ENSURE_SCRIPT, cache, key, ...script], {
    // A process group of its own, so that one signal reaches the script and all its children.
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
  const stop = () => {
    if (child.pid !== undefined) signalProcess(-child.pid, "SIGTERM");
  };
  signal?.addEventListener("abort", stop);
  process.once("exit", stop);
  try {
    const code = await exitCodeOf(child);
    if (signal?.aborted) throw new CbError("cancelled", `making ${product} was cancelled`);
    if (code === 0) return;
    throw new CbError("infrastructure", `${product} could not be made:\n${tail.join("\n")}`, {
      hint: "is the Debian mirror reachable? CB_MIRROR sets another one; the proxy comes from apt's settings",
    });
  } finally {
    signal?.removeEventListener("abort", stop);
    process.removeListener("exit", stop);
  }
}

function exitCodeOf(child: ChildProcess): Promise<number | null> {
  return new Promise((resolve, reject) => {
    child.once("close", resolve);
    child.once("error", (cause) => {
      reject(new CbError("infrastructure", "cannot run flock", { hint: "install util-linux", cause }));
    });
  });
}
