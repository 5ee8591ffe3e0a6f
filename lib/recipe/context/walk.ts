/** Goes through a folder and what is below it, one folder open at a time, in memory that the number of files does not fill. */
import { opendirSync, type Stats } from "node:fs";
import { type BytePath, toBytes, under } from "./byte-path.ts";
import type { ContextEntry } from "./collection.ts";
import { orUnreadable } from "./file-access.ts";

/** A folder on the way, as an answer to whether a link leads back into it. */
export interface Folder {
  readonly path: BytePath;
  readonly stat: Stats;
  readonly above: Folder | undefined;
}

export interface Found {
  /** Absent: it is not taken itself. */
  readonly entry?: ContextEntry;
  /** Present: the walk goes on below it. */
  readonly below?: Stats;
}

/** Decides on one thing in a folder. It may throw, which ends the walk. */
export type Visit = (path: BytePath, inside: Folder) => Found;

/**
 * What is below `root`, but not `root` itself; each folder comes before what is in it. Yields undefined for what is not
 * taken, so that the taker can pause. Throws CbError "usage" on a folder that cannot be read.
 */
export function* walk(root: BytePath, stat: Stats, visit: Visit): Generator<ContextEntry | undefined> {
  const waiting: Folder[] = [{ path: root, stat, above: undefined }];
  for (let folder = waiting.pop(); folder !== undefined; folder = waiting.pop()) {
    for (const name of namesIn(folder.path)) {
      const path = under(folder.path, name);
      const { entry, below } = visit(path, folder);
      if (below !== undefined) waiting.push({ path, stat: below, above: folder });
      yield entry;
    }
  }
}

/** In no order. Throws CbError "usage" when the folder cannot be read. */
export function* namesIn(folder: BytePath): Generator<string> {
  const dir = orUnreadable(folder, () => opendirSync(toBytes(folder) as unknown as string, OPTIONS));
  try {
    for (;;) {
      const found = orUnreadable(folder, () => dir.readSync());
      if (found === null) return;
      yield (found.name as unknown as Buffer).toString("latin1");
    }
  } finally {
    dir.closeSync();
  }
}

/** Folder and names both as bytes: node:fs joins the two where the file system does not say what an entry is. */
const OPTIONS = { encoding: "buffer" as BufferEncoding, bufferSize: 256 };
