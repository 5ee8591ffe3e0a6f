/** Makes and removes the control groups of sandboxes. */
import { mkdir, readFile, rmdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { CbError, messageOf } from "../../core/errors.ts";
import { type Controller, type GroupSetting, MEMORY_FILES, type Place } from "./cgroups.ts";

/** The part of a sandbox's control group that belongs to one controller. In version 2 the controllers share the folder. */
export interface Group {
  readonly controller: Controller;
  readonly place: Place;
  readonly folder: string;
  readonly settings: readonly GroupSetting[];
}

/** Makes the groups and sets their limits. Throws CbError "infrastructure" when the kernel refuses one. */
export async function makeGroups(groups: readonly Group[]): Promise<void> {
  for (const group of groups) {
    try {
      await makeGroup(group);
    } catch (cause) {
      const message = `cannot make the control group ${group.folder}: ${messageOf(cause)}`;
      throw new CbError("infrastructure", message, {
        hint: "does another program manage this part of the hierarchy?",
        cause,
      });
    }
  }
}

async function makeGroup({ controller, place, folder, settings }: Group): Promise<void> {
  if (place.moveOut) await moveInto(join(place.folder, "queue"));
  await mkdir(folder, { recursive: true });
  const above = place.version === 2 ? [place.folder, dirname(folder)] : [];
  for (const parent of above) await write(join(parent, "cgroup.subtree_control"), `+${controller}`);
  for (const setting of settings) await writeSetting(folder, setting);
}

async function moveInto(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  await write(join(folder, "cgroup.procs"), String(process.pid));
}

async function writeSetting(folder: string, { file, text, optional }: GroupSetting): Promise<void> {
  try {
    await write(join(folder, file), text);
  } catch (error) {
    if (optional !== true || (error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
  }
}

/** The kernel's files can be neither created nor truncated. */
const write = (path: string, text: string): Promise<void> => writeFile(path, text, { flag: "r+" });

/** A group can be removed when its last process has exited; the kernel needs some milliseconds for it. */
const REMOVE_MS = 10_000;
const POLL_MS = 5;

/** Removes the groups of a sandbox without processes. Throws CbError "infrastructure" when one stays in use. */
export async function removeGroups(folders: readonly string[]): Promise<void> {
  const giveUpAtMs = performance.now() + REMOVE_MS;
  for (const folder of folders) {
    for (;;) {
      const code = await rmdir(folder).then(
        () => "",
        (error: NodeJS.ErrnoException) => error.code,
      );
      if (code === "" || code === "ENOENT") break;
      if (code !== "EBUSY" || performance.now() > giveUpAtMs) {
        const hint = "its file cgroup.procs lists the processes that are in it";
        throw new CbError("infrastructure", `the control group ${folder} cannot be removed (${code})`, { hint });
      }
      await delay(POLL_MS);
    }
  }
}

/** Returns a clause with the memory limit, when it ended a process in one of these groups. */
export async function exceededMemory(folders: readonly string[]): Promise<string | undefined> {
  for (const { events, limit } of Object.values(MEMORY_FILES)) {
    for (const folder of folders) {
      const ended = /^oom_kill (\d+)$/m.exec(await readOrEmpty(join(folder, events)))?.[1] ?? "0";
      if (ended === "0") continue;
      const bytes = Number(await readOrEmpty(join(folder, limit)));
      return `the kernel ended a process at the sandbox's memory limit of ${Math.floor(bytes / MIB)} MiB`;
    }
  }
  return undefined;
}

const MIB = 1024 * 1024;
const readOrEmpty = (path: string): Promise<string> => readFile(path, "utf8").catch(() => "");
