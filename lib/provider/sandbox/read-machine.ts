/** Reads from a sandbox's folder and its processes the state of the machine, the reason of its death, and its console output. */
import { type FileHandle, open, statfs } from "node:fs/promises";
import { constants } from "node:os";
import { join } from "node:path";
import { consoleLines } from "../console-lines.ts";
import type { Machine, MachineStatus } from "../provider.ts";
import { readGroups, readMetadata, readOr, readSupervisor, type SandboxMetadata } from "./folder.ts";
import { exceededMemory } from "./make-groups.ts";
import { isAlive, type Supervisor } from "./processes.ts";

/** The first stage writes its supervisor file within milliseconds. After this time it was never started, or was killed. */
const START_GRACE_MS = 10_000;
/** The tail of the console output that a fault is taken from: some lines. */
const FAULT_TAIL_BYTES = 2000;

/**
 * Returns the machine as it is now; its fault names `program` as the program that ended. Returns `undefined` when the folder
 * was removed meanwhile. Throws as readMetadata does.
 */
export async function readMachine(folder: string, nowMs: number, program: string): Promise<Machine | undefined> {
  const metadata = await readMetadata(folder);
  if (metadata === undefined) return undefined;
  return { ...metadata, ...(await statusOf({ folder, metadata, nowMs, program })) };
}

interface StatusInput {
  readonly folder: string;
  readonly metadata: SandboxMetadata;
  readonly nowMs: number;
  readonly program: string;
}

async function statusOf(input: StatusInput): Promise<{ status: MachineStatus; fault?: string }> {
  const { folder, metadata, nowMs, program } = input;
  if ((await readOr(join(folder, "destroying"), undefined)) !== undefined) return { status: "destroying" };
  const supervisor = await readSupervisor(folder);
  const alive = supervisor !== undefined && (await isAlive(supervisor));
  const status = await readOr(join(folder, "status"), "");
  if (alive) return { status: status.includes("started") ? "running" : "booting" };
  if (supervisor === undefined && nowMs - metadata.createdAtMs < START_GRACE_MS) return { status: "booting" };
  return {
    status: "error",
    fault: (await faultOf({ folder, supervisor, status, program })) + (await fullDisk(folder)),
  };
}

/** A sandbox writes some files and its console output before its agent starts, a few MiB with the disk's file system. */
const START_BYTES = 16 * 1024 * 1024;

/** A clause for the fault when the disk of the host is nearly full: the sandbox itself could not write the reason of its end. */
async function fullDisk(folder: string): Promise<string> {
  // A concurrent destroy may have removed the folder.
  const disk = await statfs(folder).catch(() => undefined);
  const freeBytes = disk === undefined ? START_BYTES : disk.bavail * disk.bsize;
  return freeBytes >= START_BYTES ? "" : `; the disk with ${folder} has only ${Math.floor(freeBytes / 1024)} KiB free`;
}

interface DeadSandbox {
  readonly folder: string;
  readonly supervisor: Supervisor | undefined;
  /** Text of the status file. */
  readonly status: string;
  readonly program: string;
}

async function faultOf({ folder, supervisor, status, program }: DeadSandbox): Promise<string> {
  if (supervisor === undefined) return "its creation was interrupted";
  const code = /^exit (\d+)$/m.exec(status)?.[1];
  const printed = await newestConsole(folder, FAULT_TAIL_BYTES);
  if (!status.includes("started")) {
    const text = Buffer.from(printed).toString().trim();
    return `it did not start: ${text === "" ? "it was killed" : text}`;
  }
  if (code === undefined) return "it was killed";
  const [last] = consoleLines(printed, 1);
  const limit = await exceededMemory(await readGroups(folder));
  return `${program} ${endOf(Number(code), limit)}${last === undefined ? "" : `; its last line: ${last}`}`;
}

/** A shell's exit code of a program that a signal ended is 128 plus the number of the signal. */
function endOf(code: number, exceeded: string | undefined): string {
  const signal = Object.entries(constants.signals).find(([, number]) => number === code - 128)?.[0];
  if (signal === undefined) return `ended with exit code ${code}`;
  if (signal !== "SIGKILL") return `was ended by ${signal}`;
  return `was ended by ${signal} (${exceeded ?? "sent by a command of the recipe, or the kernel because memory ran out"})`;
}

/** Returns the newest bytes of the sandbox's output, from the two files that the first stage writes alternately. */
export async function newestConsole(folder: string, maxBytes: number): Promise<Uint8Array> {
  const newer = await readTail(join(folder, "console.1"), maxBytes);
  const older = await readTail(join(folder, "console.0"), maxBytes - newer.length);
  return Buffer.concat([older, newer]);
}

async function readTail(path: string, maxBytes: number): Promise<Buffer> {
  let file: FileHandle;
  try {
    file = await open(path, "r");
  } catch {
    // The file does not exist until the sandbox has printed enough to fill it.
    return Buffer.alloc(0);
  }
  try {
    const { size } = await file.stat();
    const tailBytes = Math.min(size, Math.max(0, maxBytes));
    const { buffer, bytesRead } = await file.read(Buffer.alloc(tailBytes), 0, tailBytes, size - tailBytes);
    return buffer.subarray(0, bytesRead);
  } finally {
    await file.close();
  }
}
