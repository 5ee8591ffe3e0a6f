/** What has been found so far: the names for tar, and the sums. */
import type { Stats } from "node:fs";
import { CbError } from "../../core/errors.ts";
import { ARCHIVE_END_BYTES, entryBytes } from "./archive-size.ts";
import type { BytePath } from "./byte-path.ts";
import { PathList } from "./path-list.ts";

export interface ContextEntry {
  readonly path: BytePath;
  /** Of the entry itself, or of what it leads to when links are followed. */
  readonly stat: Stats;
  /** `stored`: as it is, a link as a link. `followed`: as what it leads to. */
  readonly as: "stored" | "followed";
  /** Where a symbolic link leads that is stored. */
  readonly target?: string;
}

/** More files than any recipe needs, and fewer than would fill the memory of a small login node. */
export const MOST_ENTRIES = 1_000_000;
/** Beyond this many a hard link is counted like a file of its own, which is never too little. */
const MOST_HARD_LINKS = 250_000;

/** Files that tar packs in one go: it either follows all links or stores all. */
export class Collection {
  readonly as: ContextEntry["as"];
  readonly paths = new PathList();
  files = 0;
  bytes = 0;
  highestId = 0;
  #archiveBytes = 0;
  #longestPath = 0;
  readonly #inodes = new Set<string>();

  constructor(as: ContextEntry["as"]) {
    this.as = as;
  }

  /** No archive of it is longer. */
  get maxArchiveBytes(): number {
    return this.paths.length === 0 ? 0 : this.#archiveBytes + ARCHIVE_END_BYTES;
  }

  /** Throws CbError "usage" when it is one entry too many. */
  add({ path, stat, target }: Omit<ContextEntry, "as">): void {
    if (this.paths.length >= MOST_ENTRIES) {
      const hint = "name fewer folders in the recipe, or list what is not needed in .cbignore";
      throw new CbError("usage", `the context has more than ${MOST_ENTRIES} files and folders`, { hint });
    }
    this.paths.add(path);
    this.#longestPath = Math.max(this.#longestPath, path.length);
    this.highestId = Math.max(this.highestId, stat.uid, stat.gid);
    const isRepeat = this.#isRepeat(stat);
    if (stat.isFile()) {
      this.files += 1;
      this.bytes += isRepeat ? 0 : stat.size;
    }
    const mayBeHardLink = !stat.isDirectory() && (this.as === "followed" || stat.nlink > 1);
    const linkBytes = Math.max(target?.length ?? 0, mayBeHardLink ? this.#longestPath : 0);
    this.#archiveBytes += entryBytes({ path, stat, linkBytes, isRepeat });
  }

  /** tar stores the content of a file once, whatever the number of its names. */
  #isRepeat(stat: Stats): boolean {
    // An inode's number that lost its last bits may be that of another file.
    if (stat.nlink < 2 || !stat.isFile() || !Number.isSafeInteger(stat.ino)) return false;
    const key = `${stat.dev}:${stat.ino}`;
    if (this.#inodes.has(key)) return true;
    if (this.#inodes.size < MOST_HARD_LINKS) this.#inodes.add(key);
    return false;
  }
}
