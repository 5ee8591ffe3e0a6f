/**
 * Walks a folder and everything below it. Memory does not grow with the number of files, because only one folder is
 * open at a time.
 */
import { opendirSync, type Stats } from "node:fs";
import { type BytePath, childPath, toBytes } from "./byte-path.ts";
import type { ContextEntry } from "./collection.ts";
import { orUnreadable } from "./file-access.ts";

/** A folder of the walk with its parents, to detect a link that leads back into one of them. */
export interface Folder {
  readonly path: BytePath;
  readonly stat: Stats;
  readonly parent: Folder | undefined;
}

export interface VisitResult {
  /** The entry to send; absent when the path itself is not sent. */
  readonly entry?: ContextEntry;
  /** Metadata of the folder to walk into; absent when the walk does not go below the path. */
  readonly below?: Stats;
}

/** Decides on one entry of a folder. An error that it throws ends the walk. */
export type Visit = (path: BytePath, parent: Folder) => VisitResult;

/**
 * Yields everything below `root`, without `root` itself; a folder precedes its content. Yields undefined for an entry
 * that is not sent, so that the caller can pause. Throws CbError "usage" for a folder that cannot be read.
 */
export function* walk(root: BytePath, stat: Stats, visit: Visit): Generator<ContextEntry | undefined> {
  const waiting: Folder[] = [{ path: root, stat, parent: undefined }];
  for (let folder = waiting.pop(); folder !== undefined; folder = waiting.pop()) {
    for (const name of namesIn(folder.path)) {
      const path = childPath(folder.path, name);
      const { entry, below } = visit(path, folder);
      if (below !== undefined) waiting.push({ path, stat: below, parent: folder });
      yield entry;
    }
  }
}

/** The names in a folder, unordered. Throws CbError "usage" when the folder cannot be read. */
export function* namesIn(folder: BytePath): Generator<string> {
  const dir = orUnreadable(folder, () => opendirSync(toBytes(folder) as unknown as string, OPTIONS));
  try {
    for (;;) {
      const entry = orUnreadable(folder, () => dir.readSync());
      if (entry === null) return;
      yield (entry.name as unknown as Buffer).toString("latin1");
    }
  } finally {
    dir.closeSync();
  }
}

/** Folder and names both as bytes: node:fs joins them where the file system does not report the type of an entry. */
const OPTIONS = { encoding: "buffer" as BufferEncoding, bufferSize: 256 };
