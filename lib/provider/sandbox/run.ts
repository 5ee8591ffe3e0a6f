/** One command in a sandbox of its own, in the foreground, gone when it ends. */
import type { ChildProcess } from "node:child_process";
import { chmod, constants, copyFile, mkdtemp, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import type { Readable } from "node:stream";
import { CbError, messageOf } from "../../core/errors.ts";
import type { EgressPolicy } from "./egress.ts";
import { endSandboxIn } from "./folder.ts";
import { type Bind, clearData, DEFAULT_LIMITS, hostNetworks, launchSandbox, makeFolder } from "./launch.ts";

export interface SandboxRunOptions {
  readonly rootfs: string;
  readonly command: readonly string[];
  readonly binds?: readonly Bind[];
  /** False, the default: only a loopback of its own. True: the outside, but nothing of the host. */
  readonly network?: boolean;
  /** Where stdout and stderr go: to ours, or into the result. stdin is always empty. */
  readonly stdio?: "inherit" | "pipe";
  /** Aborting ends the command and everything it started. */
  readonly signal?: AbortSignal;
}

export interface RunResult {
  readonly code: number;
  /** With stdio "pipe", at most OUTPUT_MAX_BYTES of each; else empty. */
  readonly stdout: string;
  readonly stderr: string;
}

/** Enough for what a person or a test reads; the rest is dropped. */
const OUTPUT_MAX_BYTES = 4 * 1024 * 1024;

/** Runs a command as root inside. Throws CbError "infrastructure" when there is no sandbox to be had, and what `signal` aborts with. */
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
      network: options.network === true ? await openNetwork() : undefined,
      limits: DEFAULT_LIMITS,
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
 * Runs a finished image as `apptainer run` would, where the host has no apptainer. The image is unpacked first, because
 * a sandbox has no /dev/fuse to mount it with; apptainer's remarks on that are left out.
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

/** Root of a sandbox is a stranger to the host's files: an image that only its owner may read is copied first. */
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

async function openNetwork(): Promise<EgressPolicy> {
  return { allowHostPorts: [], refused: await hostNetworks() };
}

/** All stages are in the process group of the first. */
function killStages(child: ChildProcess | undefined): void {
  if (child?.pid === undefined) return;
  try {
    process.kill(-child.pid, "SIGKILL");
  } catch {
    // They ended by themselves.
  }
}

function exitCode(child: ChildProcess): Promise<number> {
  // 137 is how shells write SIGKILL.
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
