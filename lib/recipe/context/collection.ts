/** Collects the files that tar packs in one run, and their totals. */
import type { Stats } from "node:fs";
import { CbError } from "../../core/errors.ts";
import { ARCHIVE_END_BYTES, entryBytes } from "./archive-size.ts";
import { type BytePath, PathList } from "./byte-path.ts";

export interface ContextEntry {
  readonly path: BytePath;
  /** Metadata of the entry itself, or of the link's target when links are followed. */
  readonly stat: Stats;
  /** `stored`: a link is sent as a link. `followed`: a link is sent as its target. */
  readonly as: "stored" | "followed";
  /** The text of a symbolic link that is stored. */
  readonly target?: string;
}

/** More files than any recipe needs, and few enough for the memory of a small login node. */
export const ENTRIES_MAX = 1_000_000;
/**
 * Bound of the memory for hard links. Beyond it, each hard link counts as a file of its own, which never underestimates
 * the size.
 */
const HARD_LINKS_MAX = 250_000;

/** The files of one run of tar, which either follows all links or stores all. */
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

  /** Upper bound of the archive's size. */
  get maxArchiveBytes(): number {
    return this.paths.length === 0 ? 0 : this.#archiveBytes + ARCHIVE_END_BYTES;
  }

  /** Throws CbError "usage" when the collection already has ENTRIES_MAX entries. */
  add({ path, stat, target }: Omit<ContextEntry, "as">): void {
    if (this.paths.length >= ENTRIES_MAX) {
      const hint = "name fewer folders in the recipe, or list unneeded paths in .cbignore";
      throw new CbError("usage", `the context has more than ${ENTRIES_MAX} files and folders`, { hint });
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

  /** tar stores the content of a file once, however many names it has. */
  #isRepeat(stat: Stats): boolean {
    // An inode number above 2^53 has lost its last bits, and may equal that of another file.
    if (stat.nlink < 2 || !stat.isFile() || !Number.isSafeInteger(stat.ino)) return false;
    const key = `${stat.dev}:${stat.ino}`;
    if (this.#inodes.has(key)) return true;
    if (this.#inodes.size < HARD_LINKS_MAX) this.#inodes.add(key);
    return false;
  }
}
