/**
 * Bounds the store of registries: removes the files that were used longest ago. docker-registry (2.8) has no bound of its own; it drops
 * a copy of another registry's image a week after it was fetched.
 *
 * The registries go on meanwhile. To them a removed file is one that they never had, and copies are fetched again; a file that is being
 * read stays until it is closed.
 */
import type { Stats } from "node:fs";
import { lstat, opendir, rm, rmdir } from "node:fs/promises";
import { dirname, join } from "node:path";

export interface StoredFile {
  readonly path: string;
  readonly bytes: number;
  readonly usedMs: number;
}

/** Leaves space below the bound, so that not each layer that is fetched makes the next pass remove something. */
const KEPT_PART = 0.9;

/** The files to remove, oldest use first: none while all fit into `maxBytes`, else until a tenth of it is free. */
export function filesToRemove(files: readonly StoredFile[], maxBytes: number): StoredFile[] {
  let total = files.reduce((sum, { bytes }) => sum + bytes, 0);
  if (total <= maxBytes) return [];
  const oldestFirst = [...files].sort((a, b) => a.usedMs - b.usedMs);
  const kept = oldestFirst.findIndex(({ bytes }) => {
    if (total <= maxBytes * KEPT_PART) return true;
    total -= bytes;
    return false;
  });
  return kept === -1 ? oldestFirst : oldestFirst.slice(0, kept);
}

/** The part of a store with blobs and the links to them; beside it is the list of ages that docker-registry keeps open. */
const COPIES = join("store", "docker", "registry", "v2");

/** Removes files of the stores below `folders`. Returns how many, with their bytes. Rejects when a folder cannot be read or changed. */
export async function limitStore(
  folders: readonly string[],
  maxBytes: number,
): Promise<{ files: number; bytes: number }> {
  const files: StoredFile[] = [];
  for (const folder of folders) for await (const file of filesBelow(join(folder, COPIES))) files.push(file);
  const removed = filesToRemove(files, maxBytes);
  for (const { path } of removed) await removeFile(path);
  return { files: removed.length, bytes: removed.reduce((sum, { bytes }) => sum + bytes, 0) };
}

/** With the folder of the blob or link, which has no other file. A registry that writes into it at this moment keeps it. */
export async function removeFile(path: string): Promise<void> {
  await rm(path, { force: true });
  await rmdir(dirname(path)).catch(() => undefined);
}

/** Registries remove and rename files at any time, so each may be gone. */
export async function* filesBelow(folder: string): AsyncGenerator<StoredFile> {
  const entries = await opendir(folder).catch(ignoreMissing);
  if (entries === undefined) return;
  for await (const entry of entries) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) yield* filesBelow(path);
    else {
      const stats = await lstat(path).catch(ignoreMissing);
      if (stats !== undefined) yield { path, bytes: bytesOf(stats), usedMs: usedMs(stats) };
    }
  }
}

/** With its inode, so that empty files count too. */
const INODE_BYTES = 256;
const BLOCK_BYTES = 512;
const bytesOf = ({ blocks }: Stats): number => blocks * BLOCK_BYTES + INODE_BYTES;

/** The time of the last access is exact to a day (relatime, mount(8)). Where the file system records none, it is the time of the fetch. */
const usedMs = ({ atimeMs, mtimeMs }: Stats): number => Math.max(atimeMs, mtimeMs);

function ignoreMissing(error: unknown): undefined {
  if (error instanceof Error && "code" in error && (error.code === "ENOENT" || error.code === "ENOTDIR"))
    return undefined;
  throw error;
}
