/** The builder rootfs: made once per recipe and per range of subordinate ids, kept in the cache folder. */
import { type ChildProcess, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { chmod, mkdir, readdir, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { CbError } from "../../errors.ts";
import { hostAptSettings } from "./apt-settings.ts";
import { IMAGE_FOLDER } from "./infra.ts";
import { ownRanges } from "./subordinate-ids.ts";

export interface RootfsProgress {
  /** What is being done, for people: "downloading packages". */
  readonly phase: string;
  /** A guess from the phases' usual share of the time, 0 to 100. */
  readonly percent: number;
  readonly elapsedMs: number;
}

export interface RootfsOptions {
  /** The user's cache folder for this program. */
  readonly cacheDir: string;
  readonly onProgress?: (progress: RootfsProgress) => void;
  readonly signal?: AbortSignal;
}

/** Lines of mmdebstrap, and how much of the time had passed when each came (24 s in all, 2 cores, near mirror). */
const PHASES: readonly (readonly [RegExp, string, number])[] = [
  [/chroot architecture/, "starting", 0],
  [/running apt-get update/, "reading package lists", 2],
  [/downloading packages/, "downloading packages", 25],
  [/extracting archives/, "extracting the base system", 32],
  [/installing essential/, "installing the base system", 55],
  [/installing remaining/, "installing packages", 70],
  [/cleaning package lists/, "cleaning up", 97],
];

/** Lines of output that go into the error when it fails. */
const TAIL_LINES = 15;

/**
 * The path of the rootfs, made first if it is not there (about half a minute). Two callers at once make one: the second
 * waits. An interrupted call leaves nothing. Throws CbError "infrastructure" with the last lines of what failed, or
 * "cancelled" when `signal` aborts.
 */
export async function ensureRootfs({ cacheDir, onProgress, signal }: RootfsOptions): Promise<string> {
  const cache = join(cacheDir, "rootfs");
  const key = await recipeKey();
  const rootfs = join(cache, key, "rootfs");
  if (await isThere(rootfs)) return rootfs;
  await mkdir(cache, { recursive: true });
  await chmod(cache, 0o700);
  signal?.throwIfAborted();
  await make(cache, key, { cacheDir, ...(onProgress && { onProgress }), ...(signal && { signal }) });
  if (await isThere(rootfs)) return rootfs;
  throw new CbError("infrastructure", `the builder rootfs was made, but is not at ${rootfs}`);
}

/** Changes when the recipe, the architecture or the owner of the tree does. */
async function recipeKey(): Promise<string> {
  const hash = createHash("sha256").update(process.arch);
  hash.update(JSON.stringify((await ownRanges()).map((range) => range?.first)));
  for (const name of (await readdir(IMAGE_FOLDER)).sort()) {
    hash.update(`\n${name}\n`).update(await readFile(join(IMAGE_FOLDER, name)));
  }
  return hash.digest("hex").slice(0, 16);
}

async function make(cache: string, key: string, { onProgress, signal }: RootfsOptions): Promise<void> {
  const apt = await hostAptSettings();
  const startedAtMs = performance.now();
  const lock = join(cache, "lock");
  const child = spawn("flock", [lock, "bash", join(IMAGE_FOLDER, "ensure-rootfs.sh"), cache, key], {
    // Its own process group, so that stopping it stops all of it.
    detached: true,
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, CB_MIRROR: apt.mirror, CB_SECURITY_MIRROR: apt.securityMirror, CB_APT_CONF: apt.conf },
  });
  const tail: string[] = [];
  const onLine = (line: string) => {
    tail.push(line);
    if (tail.length > TAIL_LINES) tail.shift();
    const found = PHASES.find(([pattern]) => pattern.test(line));
    if (found) onProgress?.({ phase: found[1], percent: found[2], elapsedMs: performance.now() - startedAtMs });
  };
  for (const stream of [child.stdout, child.stderr]) createInterface({ input: stream }).on("line", onLine);
  const stop = () => stopGroup(child);
  signal?.addEventListener("abort", stop);
  process.once("exit", stop);
  try {
    const code = await endOf(child);
    if (signal?.aborted) throw new CbError("cancelled", "making the builder rootfs was cancelled");
    if (code === 0) return;
    throw new CbError("infrastructure", `the builder rootfs could not be made:\n${tail.join("\n")}`, {
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

/** The script clears up after itself when it is told to end. */
function stopGroup({ pid }: ChildProcess): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, "SIGTERM");
  } catch {
    // It has ended by itself.
  }
}

async function isThere(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined)) !== undefined;
}
