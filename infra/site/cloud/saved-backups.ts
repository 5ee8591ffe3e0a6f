/** The folder `backups` of a site: one backup for each time that its NATS host was replaced. */
import { mkdir, readdir, rm } from "node:fs/promises";
import { join } from "node:path";

/** The last one, and two more for an operator who notices a mistake late. Each has the images of all users. */
const KEPT = 3;
const NAME = /^\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d-\d{3}Z$/;
/** As BackupFolder names an unfinished backup. */
const UNFINISHED = /^\.\d{4}-\d\d-\d\dT.*\.part$/;

/** The path of a new backup. Its parent exists afterwards. */
export async function newBackup(root: string, nowMs: number): Promise<string> {
  const parent = join(root, "backups");
  await mkdir(parent, { recursive: true, mode: 0o700 });
  return join(parent, new Date(nowMs).toISOString().replace(/[:.]/g, "-"));
}

/** Removes all but the newest three, and unfinished ones. Folders with other names stay. Resolves with a line for people. */
export async function removeOldBackups(root: string): Promise<string | undefined> {
  const parent = join(root, "backups");
  const names = await readdir(parent).catch(() => []);
  const whole = names.filter((name) => NAME.test(name)).sort();
  const old = [...whole.slice(0, -KEPT), ...names.filter((name) => UNFINISHED.test(name))];
  for (const name of old) await rm(join(parent, name), { recursive: true });
  if (old.length === 0) return undefined;
  return `Removed ${old.length === 1 ? "1 old backup" : `${old.length} old backups`} in ${parent}; the newest ${KEPT} stay`;
}
