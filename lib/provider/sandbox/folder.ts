/** One folder a sandbox is all the provider's memory: who it is, whether it runs, what it printed. */
import { randomUUID } from "node:crypto";
import { type FileHandle, open, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import * as v from "valibot";
import { CbError } from "../../core/errors.ts";
import { id } from "../../protocol/fields.ts";
import { isId } from "../../protocol/ids.ts";
import { consoleLines } from "../console-lines.ts";
import type { Machine, MachineIdentity, MachineStatus } from "../provider.ts";
import { clearData, makeFolder } from "./launch.ts";
import { endProcessesOf, isAlive, parseSupervisor, type Supervisor } from "./processes.ts";

const metadataSchema = v.strictObject({
  installation: v.string(),
  generation: v.string(),
  pool: v.string(),
  builder: id,
  attempt: id,
  host: v.string(),
  createdAtMs: v.number(),
});
export type Metadata = v.InferOutput<typeof metadataSchema>;

/** The first stage writes itself down within milliseconds; later than this it was never started, or was killed. */
const START_GRACE_MS = 10_000;
/** Of what a sandbox printed, for its fault: some lines. */
const LAST_WORDS_BYTES = 2000;
/** A first stage makes four files before it needs its folder's data/, which is gone: it cannot come in between more often. */
const MOST_REMOVALS = 5;

/** Makes the folder whole or not at all. False if this builder has one already. */
export async function claimFolder(stateDir: string, metadata: Metadata): Promise<boolean> {
  const made = unlisted(stateDir);
  await makeFolder(made);
  try {
    await writeFile(join(made, "machine.json"), JSON.stringify(metadata), { mode: 0o600 });
    await rename(made, join(stateDir, metadata.builder));
    return true;
  } catch (error) {
    const taken = ["EEXIST", "ENOTEMPTY"].includes((error as NodeJS.ErrnoException).code ?? "");
    await rm(made, { recursive: true, force: true });
    if (taken) return false;
    throw error;
  }
}

/** Ends a sandbox and removes its folder: first what is big, then the rest in one step, so that it is listed until the end. */
export async function removeClaimed(stateDir: string, metadata: Metadata): Promise<void> {
  const folder = join(stateDir, metadata.builder);
  await endSandboxIn(folder);
  await clearData(folder);
  const unnamed = unlisted(stateDir);
  // Somebody else who destroys it may have come first.
  await rename(folder, unnamed).catch(unlessGone);
  await removeUnlisted(unnamed);
}

/**
 * A first stage that began after the last look finds no folder to go on with, unless it was quicker than the renaming; it
 * may even write itself down while its folder is being removed, and is then ended before the rest goes.
 */
async function removeUnlisted(folder: string): Promise<void> {
  for (let tries = 1; ; tries++) {
    await endSandboxIn(folder);
    try {
      await rm(folder, { recursive: true, force: true });
      return;
    } catch (error) {
      if (tries === MOST_REMOVALS || (error as NodeJS.ErrnoException).code !== "ENOTEMPTY") throw error;
    }
  }
}

/** Ends the processes of the sandbox that has this folder. */
export async function endSandboxIn(folder: string): Promise<void> {
  const keeper = await readSupervisor(folder);
  if (keeper !== undefined) await endProcessesOf(keeper);
}

/** `undefined` while there is none. */
export async function readSupervisor(folder: string): Promise<Supervisor | undefined> {
  return parseSupervisor(await readOr(join(folder, "keeper"), ""));
}

/** Removes what programs that were killed left half named or half removed: some small files each. */
export async function sweepRemains(stateDir: string): Promise<void> {
  for (const name of await readdir(stateDir)) {
    const pid = /^\.unlisted-(\d+)-/.exec(name)?.[1];
    if (pid === undefined || (await readOr(`/proc/${pid}/comm`, undefined)) !== undefined) continue;
    await rm(join(stateDir, name), { recursive: true, force: true });
  }
}

/** A name that no listing shows, and that says who is at work on it. */
function unlisted(stateDir: string): string {
  return join(stateDir, `.unlisted-${process.pid}-${randomUUID()}`);
}

function unlessGone(error: NodeJS.ErrnoException): void {
  if (error.code !== "ENOENT") throw error;
}

/** `undefined` if there is none. Throws CbError "infrastructure" when what is there cannot be understood. */
export async function readMetadata(folder: string): Promise<Metadata | undefined> {
  const text = await readOr(join(folder, "machine.json"), undefined);
  if (text === undefined) return undefined;
  try {
    return v.parse(metadataSchema, JSON.parse(text));
  } catch (cause) {
    throw new CbError("infrastructure", `${folder}/machine.json is damaged`, {
      hint: "no running program writes it twice; was the disk full, or the file edited?",
      cause,
    });
  }
}

export async function markDestroying(folder: string): Promise<void> {
  await writeFile(join(folder, "destroying"), "", { mode: 0o600 }).catch(unlessGone);
}

/** Builders that have a folder here. */
export async function listFolders(stateDir: string): Promise<string[]> {
  const names = await readdir(stateDir).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return [];
    throw error;
  });
  return names.filter(isId);
}

/** The machine as it is now; its fault says what became of `program`. `undefined` when its folder went away meanwhile. */
export async function readMachine(folder: string, nowMs: number, program: string): Promise<Machine | undefined> {
  const metadata = await readMetadata(folder);
  if (metadata === undefined) return undefined;
  return { ...metadata, ...(await statusOf(folder, metadata, nowMs, program)) };
}

async function statusOf(
  folder: string,
  metadata: Metadata,
  nowMs: number,
  program: string,
): Promise<{ status: MachineStatus; fault?: string }> {
  if ((await readOr(join(folder, "destroying"), undefined)) !== undefined) return { status: "destroying" };
  const keeper = await readSupervisor(folder);
  const alive = keeper !== undefined && (await isAlive(keeper));
  const status = await readOr(join(folder, "status"), "");
  if (alive) return { status: status.includes("started") ? "running" : "booting" };
  if (keeper === undefined && nowMs - metadata.createdAtMs < START_GRACE_MS) return { status: "booting" };
  return { status: "error", fault: await faultOf({ folder, keeper, status, program }) };
}

interface Dead {
  readonly folder: string;
  readonly keeper: Supervisor | undefined;
  readonly status: string;
  readonly program: string;
}

async function faultOf({ folder, keeper, status, program }: Dead): Promise<string> {
  if (keeper === undefined) return "its creation was interrupted";
  const code = /^exit (\d+)$/m.exec(status)?.[1];
  const printed = await newestConsole(folder, LAST_WORDS_BYTES);
  if (!status.includes("started")) {
    const text = Buffer.from(printed).toString().trim();
    return `it did not start: ${text === "" ? "it was killed" : text}`;
  }
  if (code === undefined) return "it was killed";
  const [last] = consoleLines(printed, 1);
  return `${program} ended with exit code ${code}${last === undefined ? "" : `; its last line: ${last}`}`;
}

/** The newest bytes that the sandbox printed. The first stage writes two files in turns. */
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
    // It has not printed that much yet.
    return Buffer.alloc(0);
  }
  try {
    const { size } = await file.stat();
    const wanted = Math.min(size, Math.max(0, maxBytes));
    const { buffer, bytesRead } = await file.read(Buffer.alloc(wanted), 0, wanted, size - wanted);
    return buffer.subarray(0, bytesRead);
  } finally {
    await file.close();
  }
}

async function readOr<T>(path: string, otherwise: T): Promise<string | T> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return otherwise;
    throw error;
  }
}

export function identityOf({ installation, generation, pool, builder, attempt }: MachineIdentity): MachineIdentity {
  return { installation, generation, pool, builder, attempt };
}
