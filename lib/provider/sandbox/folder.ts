/**
 * The folder of a sandbox: created whole, removed whole, and never listed half finished.
 *
 *   machine.json        identity, host name and time of creation, written once
 *   supervisor          the process id, start time and boot of the first stage (scripts/launch.sh)
 *   status              "started" when the command runs inside, "exit N" at the end
 *   console.0, .1       the output of the sandbox
 *   groups              the folders of its control groups on the host, one a line
 *   disk                the file system that the sandbox writes to, when its disk is bounded; data/ is then its mount point
 *   destroying          exists once a destroy has begun
 *   data/               the writable layer, which belongs to subordinate ids
 */
import { execFile } from "node:child_process";
import { randomUUID } from "node:crypto";
import { chmod, mkdir, readdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import * as v from "valibot";
import { CbError, codeOf, messageOf } from "../../core/errors.ts";
import { id } from "../../protocol/fields.ts";
import { isId } from "../../protocol/ids.ts";
import type { MachineIdentity } from "../provider.ts";
import { removeGroups } from "./make-groups.ts";
import { endProcessesOf, parseSupervisor, type Supervisor } from "./processes.ts";

const metadataSchema = v.strictObject({
  installation: v.string(),
  generation: v.string(),
  pool: v.string(),
  builder: id,
  attempt: id,
  host: v.string(),
  createdAtMs: v.number(),
});
export type SandboxMetadata = v.InferOutput<typeof metadataSchema>;

/**
 * A first stage creates four files and then fails, because data/ of its folder is already removed. So a new file can make rm
 * fail at most four times.
 */
const REMOVAL_ATTEMPTS_MAX = 5;

/** Creates a sandbox's folder with mode 0700. Its data/ has mode 0777, for the sandbox's ids, which reach it through a mount. */
export async function makeFolder(folder: string): Promise<void> {
  await mkdir(join(folder, "data"), { recursive: true, mode: 0o700 });
  // The umask does not apply to chmod.
  await chmod(join(folder, "data"), 0o777);
}

/**
 * Empties data/ of a sandbox's folder, if it exists. The files in it belong to subordinate ids, so root of a user namespace
 * with these ids removes them. Throws CbError "infrastructure".
 */
export async function clearData(folder: string): Promise<void> {
  const asNamespaceRoot = ["--user", "--map-auto", "--setuid", "0", "--setgid", "0"];
  const data = join(folder, "data");
  if ((await stat(data).catch(() => undefined)) === undefined) return;
  try {
    await promisify(execFile)("unshare", [...asNamespaceRoot, "rm", "-rf", "--", "upper", "work", "scratch"], {
      cwd: data,
    });
  } catch (cause) {
    throw new CbError("infrastructure", `cannot empty the sandbox folder ${data}`, { cause });
  }
}

/**
 * Creates the folder of a builder with its metadata and the names of its control groups, atomically. The groups are made
 * afterwards, so a destroy finds them at any time. Returns false when the builder already has a folder. Throws CbError
 * "infrastructure" when the folder cannot be written.
 */
export async function claimFolder(
  stateDir: string,
  metadata: SandboxMetadata,
  groups: readonly string[],
): Promise<boolean> {
  const prepared = unlistedPath(stateDir);
  try {
    await makeFolder(prepared);
    await writeFile(join(prepared, "machine.json"), JSON.stringify(metadata), { mode: 0o600 });
    await writeFile(join(prepared, "groups"), groups.map((group) => `${group}\n`).join(""), { mode: 0o600 });
    await rename(prepared, join(stateDir, metadata.builder));
    return true;
  } catch (error) {
    await rm(prepared, { recursive: true, force: true });
    if (["EEXIST", "ENOTEMPTY"].includes(codeOf(error))) return false;
    throw notWritten(stateDir, error);
  }
}

/**
 * Ends the sandbox of a builder and removes its folder. Resolves also when there is none. Throws CbError "infrastructure" when
 * machine.json is damaged, when a process does not end, or when data/ cannot be emptied.
 */
export async function destroySandbox(stateDir: string, builder: string): Promise<void> {
  const folder = join(stateDir, builder);
  if ((await readMetadata(folder)) === undefined) return;
  await writeFile(join(folder, "destroying"), "", { mode: 0o600 }).catch(unlessGone);
  await endSandboxIn(folder);
  // The large part goes first; then one rename takes the folder out of the listing, which shows it until then.
  await clearData(folder);
  const unlisted = unlistedPath(stateDir);
  // A concurrent destroy may have renamed it first.
  await rename(folder, unlisted).catch(unlessGone);
  await removeUnlisted(unlisted);
}

/** Destroys every sandbox in that folder, of all installations. */
export async function destroyAllSandboxes(stateDir: string): Promise<void> {
  for (const builder of await listFolders(stateDir)) await destroySandbox(stateDir, builder);
}

/**
 * A first stage that starts after endSandboxIn fails, because its folder is missing, unless it was faster than the rename. In
 * that case it may write its supervisor file while the folder is being removed; the next attempt ends it.
 */
async function removeUnlisted(folder: string): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    await endSandboxIn(folder);
    await removeGroups(await readGroups(folder));
    try {
      await rm(folder, { recursive: true, force: true });
      return;
    } catch (error) {
      if (attempt === REMOVAL_ATTEMPTS_MAX || (error as NodeJS.ErrnoException).code !== "ENOTEMPTY") throw error;
    }
  }
}

/** Returns the recorded control groups; none for a sandbox without bounds. */
export async function readGroups(folder: string): Promise<string[]> {
  const text = await readOr(join(folder, "groups"), "");
  return text.split("\n").filter((line) => line !== "");
}

/** Ends all processes of the sandbox in this folder. Throws CbError "infrastructure" when one does not end. */
export async function endSandboxIn(folder: string): Promise<void> {
  const supervisor = await readSupervisor(folder);
  if (supervisor !== undefined) await endProcessesOf(supervisor);
}

/** Returns `undefined` until the first stage has written its supervisor file. */
export async function readSupervisor(folder: string): Promise<Supervisor | undefined> {
  return parseSupervisor(await readOr(join(folder, "supervisor"), ""));
}

/** Removes the folders that a killed program left half created or half removed, with the control groups recorded in them. */
export async function sweepUnlisted(stateDir: string): Promise<void> {
  for (const name of await readdir(stateDir)) {
    const pid = /^\.unlisted-(\d+)-/.exec(name)?.[1];
    if (pid === undefined || (await readOr(`/proc/${pid}/comm`, undefined)) !== undefined) continue;
    await removeUnlisted(join(stateDir, name));
  }
}

/** A path that no listing shows. Its name contains the id of the process that works on the folder. */
function unlistedPath(stateDir: string): string {
  return join(stateDir, `.unlisted-${process.pid}-${randomUUID()}`);
}

function unlessGone(error: NodeJS.ErrnoException): void {
  if (error.code !== "ENOENT") throw error;
}

function notWritten(stateDir: string, cause: unknown): CbError {
  const isFull = ["ENOSPC", "EDQUOT"].includes(codeOf(cause));
  return new CbError("infrastructure", `cannot write the folder of a sandbox in ${stateDir}: ${messageOf(cause)}`, {
    hint: isFull ? "free space on that disk" : "may the user of cb-queue write there?",
    cause,
  });
}

/** Returns `undefined` when there is no machine.json. Throws CbError "infrastructure" when its content is invalid. */
export async function readMetadata(folder: string): Promise<SandboxMetadata | undefined> {
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

/** Returns the ids of the builders that have a folder here. */
export async function listFolders(stateDir: string): Promise<string[]> {
  const names = await readdir(stateDir).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return [];
    throw error;
  });
  return names.filter(isId);
}

/** Returns the file's text, or `otherwise` when there is no such file. */
export async function readOr<T>(path: string, otherwise: T): Promise<string | T> {
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
