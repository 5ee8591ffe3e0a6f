/** Reads and writes the files of a site. Each file is written whole or not at all, with its mode, under any umask. */
import { chmod, mkdir, readdir, readFile, rm, rmdir, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { writeWholeFile } from "../../../lib/nats/credentials/secret-file.ts";
import type { SiteFile } from "../files/site-file.ts";
import { TREES } from "../site-folder.ts";
import type { Change, Present } from "./changes.ts";

/** A temporary file of a run that was killed. */
const TEMPORARY = /\.[0-9a-f]{8}-[0-9a-f-]{27}\.tmp$/;

/** The files in the folders of hosts, operators and clients, by their path in the site's folder. Removes temporary files. */
export async function readTree(root: string): Promise<Map<string, Present>> {
  const present = new Map<string, Present>();
  for (const tree of TREES) await readInto(present, root, tree);
  return present;
}

async function readInto(present: Map<string, Present>, root: string, folder: string): Promise<void> {
  for (const entry of await entriesOf(join(root, folder))) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) await readInto(present, root, path);
    else if (TEMPORARY.test(entry.name)) await rm(join(root, path), { force: true });
    else if (entry.isFile()) present.set(path, await readOne(join(root, path)));
  }
}

async function readOne(path: string): Promise<Present> {
  return { text: await readFile(path, "utf8"), mode: (await stat(path)).mode & 0o7777 };
}

async function entriesOf(folder: string) {
  return readdir(folder, { withFileTypes: true }).catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return [];
    throw error;
  });
}

/** Errors are node's. A run that was killed or failed is completed by the next one. */
export async function applyChanges(
  root: string,
  changes: readonly Change[],
  wanted: readonly SiteFile[],
): Promise<void> {
  const files = new Map(wanted.map((file) => [file.path, file]));
  for (const { kind, path } of changes) {
    const file = files.get(path);
    if (file === undefined) await removeFile(root, path);
    else if (kind === "mode") await chmod(join(root, path), file.mode);
    else await writeFile(root, file);
  }
}

async function writeFile(root: string, { path, text, mode }: SiteFile): Promise<void> {
  await makeFolders(root, dirname(path));
  await writeWholeFile(join(root, path), text, mode);
}

/** 0755 as on the hosts, so that a copy with `tar` has folders that services may enter. The site's folder itself is 0700. */
async function makeFolders(root: string, path: string): Promise<void> {
  if (path === ".") return;
  await makeFolders(root, dirname(path));
  await mkdir(join(root, path)).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== "EEXIST") throw error;
  });
  await chmod(join(root, path), 0o755);
}

/** And the folders that are empty then. */
async function removeFile(root: string, path: string): Promise<void> {
  await rm(join(root, path), { force: true });
  for (let folder = dirname(path); folder !== "."; folder = dirname(folder)) {
    const isRemoved = await rmdir(join(root, folder)).then(
      () => true,
      () => false,
    );
    if (!isRemoved) return;
  }
}
