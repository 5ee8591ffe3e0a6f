/** Runs one command in the foreground, in a sandbox that is removed when the command ends. */
import type { ChildProcess } from "node:child_process";
import { chmod, constants, copyFile, mkdtemp, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import type { Readable } from "node:stream";
import { CbError, messageOf } from "../../core/errors.ts";
import { signalProcess } from "../../core/signal-process.ts";
import { UNBOUNDED } from "./bounds.ts";
import { type EgressPolicy, HOST_LOOPBACK } from "./egress.ts";
import { clearData, endSandboxIn, makeFolder } from "./folder.ts";
import { type Bind, DEFAULT_LIMITS, hostNetworks, launchSandbox } from "./launch.ts";

export interface SandboxRunOptions {
  readonly rootfs: string;
  readonly command: readonly string[];
  readonly binds?: readonly Bind[];
  /** False, the default: only a loopback of its own. True: also the outside, but no port of the host. */
  readonly network?: boolean;
  /** Ports of this host's loopback that it reaches too, as 10.0.2.2, with `network`. */
  readonly hostPorts?: readonly number[];
  /** `inherit`: stdout and stderr of this process. `pipe`: into the result. stdin is always empty. */
  readonly stdio?: "inherit" | "pipe";
  /** Aborting kills the command and all processes that it started. */
  readonly signal?: AbortSignal;
}

export interface RunResult {
  readonly code: number;
  /** With stdio "pipe", at most OUTPUT_MAX_BYTES of each; else empty. */
  readonly stdout: string;
  readonly stderr: string;
}

/** Enough for output that a person or a test reads. Output beyond it is dropped. */
const OUTPUT_MAX_BYTES = 4 * 1024 * 1024;

/**
 * Runs a command as root inside a sandbox. Throws CbError "infrastructure" when the sandbox cannot be started or removed, and
 * the reason of `signal` when it aborts.
 */
export async function runInSandbox(options: SandboxRunOptions): Promise<RunResult> {
  const folder = await mkdtemp(join(tmpdir(), "container-builder-run-"));
  let child: ChildProcess | undefined;
  const end = () => killStages(child);
  try {
    options.signal?.throwIfAborted();
    options.signal?.addEventListener("abort", end);
    await makeFolder(folder);
    child = await launchSandbox({
      folder,
      rootfs: options.rootfs,
      hostname: "sandbox",
      command: options.command,
      binds: options.binds ?? [],
      network: options.network === true ? await openNetwork(options.hostPorts) : undefined,
      limits: DEFAULT_LIMITS,
      bounds: UNBOUNDED.launch,
      devices: [],
      allowWeak: [],
      userData: "",
      consoleBytes: 0,
      output: options.stdio ?? "inherit",
    });
    if (options.signal?.aborted) end();
    const stdout = collect(child.stdout);
    const stderr = collect(child.stderr);
    const code = await exitCode(child);
    options.signal?.throwIfAborted();
    if (!(await readFile(join(folder, "status"), "utf8")).includes("started")) {
      throw new CbError("infrastructure", `the sandbox did not start${stderr() === "" ? "" : `: ${stderr().trim()}`}`);
    }
    return { code, stdout: stdout(), stderr: stderr() };
  } finally {
    options.signal?.removeEventListener("abort", end);
    await endSandboxIn(folder);
    await clearData(folder);
    await rm(folder, { recursive: true, force: true });
  }
}

/**
 * Runs a finished image as `apptainer run` does, on a host without apptainer. apptainer unpacks the image first, because a
 * sandbox has no /dev/fuse to mount it with; `--silent` hides its messages about that. Throws as runInSandbox does, and
 * CbError "usage" when the image cannot be read.
 */
export async function runImageInSandbox(
  image: string,
  options: Omit<SandboxRunOptions, "command" | "binds">,
): Promise<RunResult> {
  const copies = await mkdtemp(join(tmpdir(), "container-builder-image-"));
  try {
    return await runInSandbox({
      ...options,
      command: ["apptainer", "--silent", "run", "--unsquash", "/image.sif"],
      binds: [{ from: await readableForAll(image, copies), to: "/image.sif" }],
    });
  } finally {
    await rm(copies, { recursive: true, force: true });
  }
}

/** Root of a sandbox has no rights to the host's files, so an image that only its owner may read is copied first. */
async function readableForAll(image: string, copies: string): Promise<string> {
  const path = resolve(image);
  const copy = join(copies, "image.sif");
  try {
    if (((await stat(path)).mode & 0o004) !== 0) return path;
    await copyFile(path, copy, constants.COPYFILE_FICLONE);
    await chmod(copy, 0o644);
    return copy;
  } catch (cause) {
    throw new CbError("usage", `cannot read the image ${path}: ${messageOf(cause)}`, { cause });
  }
}

async function openNetwork(ports: readonly number[] = []): Promise<EgressPolicy> {
  return { allowHostPorts: ports.map((port) => ({ address: HOST_LOOPBACK, port })), refused: await hostNetworks() };
}

/** All stages are in the process group of the first. */
function killStages(child: ChildProcess | undefined): void {
  if (child?.pid !== undefined) signalProcess(-child.pid, "SIGKILL");
}

function exitCode(child: ChildProcess): Promise<number> {
  // Shells report death by SIGKILL as 137.
  return new Promise((resolve) => child.once("close", (code) => resolve(code ?? 137)));
}

function collect(stream: Readable | null): () => string {
  const chunks: Buffer[] = [];
  let bytes = 0;
  stream?.on("data", (chunk: Buffer) => {
    const kept = chunk.subarray(0, OUTPUT_MAX_BYTES - bytes);
    bytes += kept.length;
    chunks.push(kept);
  });
  return () => Buffer.concat(chunks).toString();
}
