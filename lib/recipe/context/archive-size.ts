/**
 * Computes a tight upper bound for the size of an archive of `tar --format=posix --sparse`. An archive is made of
 * blocks of 512 bytes (POSIX.1-2017, pax, "ustar Interchange Format"; GNU tar manual, "Sparse Formats", PAX 1.0).
 */
import { type Stats, statfsSync } from "node:fs";
import { type BytePath, toBytes } from "./byte-path.ts";
import { orUnreadable } from "./file-access.ts";

const BLOCK_BYTES = 512;
/** End of an archive: two empty blocks, and padding to a full record of 20 blocks. */
export const ARCHIVE_END_BYTES = 2 * BLOCK_BYTES + 20 * BLOCK_BYTES;

/** A pax record: a length of at most five digits, a blank, the keyword, `=`, the value, a line end. */
const record = (keyword: string, valueBytes: number): number => keyword.length + valueBytes + 8;
/** Decimal digits of a 64-bit number. A time has a dot and nine digits more. */
const NUMBER_BYTES = 20;
const NUMBERS_BYTES =
  record("mtime", NUMBER_BYTES + 10) +
  record("size", NUMBER_BYTES) +
  record("uid", NUMBER_BYTES) +
  record("gid", NUMBER_BYTES);
const SPARSE_BYTES =
  record("GNU.sparse.major", 1) + record("GNU.sparse.minor", 1) + record("GNU.sparse.realsize", NUMBER_BYTES);
/** `GNUSparseFile.<pid>/` in the name of a sparse file. */
const SPARSE_NAME_BYTES = 40;
/**
 * Bytes of the sparse map per byte of data: two numbers with line ends for each piece of data, which is at least one
 * block.
 */
const SPARSE_MAP_RATIO = 42 / BLOCK_BYTES;

export interface ArchiveEntry {
  readonly path: BytePath;
  readonly stat: Stats;
  /** Length of the longest possible target when the entry is a symbolic or hard link; else 0. */
  readonly linkBytes: number;
  /** True when the archive already has the content under another name. */
  readonly isRepeat: boolean;
}

/** Upper bound for header and content of one entry. Throws CbError as orUnreadable() when a sparse file has just been deleted. */
export function entryBytes({ path, stat, linkBytes, isRepeat }: ArchiveEntry): number {
  const nameBytes = path.length + 2;
  let records = record("path", nameBytes) + NUMBERS_BYTES + (linkBytes === 0 ? 0 : record("linkpath", linkBytes + 2));
  let content = 0;
  if (stat.isFile() && !isRepeat) {
    content = stat.size;
    if (isSparse(stat)) {
      records += SPARSE_BYTES + record("GNU.sparse.name", nameBytes) + SPARSE_NAME_BYTES;
      const data = dataBytes(path, stat);
      content = data + Math.ceil(data * SPARSE_MAP_RATIO) + 4 * BLOCK_BYTES;
    }
  }
  return 2 * BLOCK_BYTES + wholeBlocks(records) + wholeBlocks(content);
}

const wholeBlocks = (bytes: number): number => Math.ceil(bytes / BLOCK_BYTES) * BLOCK_BYTES;
/** tar's own criterion: fewer blocks than the size needs. */
const isSparse = ({ blocks, size }: Stats): boolean => blocks * 512 < size;

/**
 * Magic numbers (statfs(2)) of ext2 to ext4, XFS and tmpfs: a range without blocks is a hole there. Other file systems
 * may compress data or keep it on a server.
 */
const PLAIN_BLOCKS = new Set([0xef53, 0x58465342, 0x01021994]);
/** A short tail of a file may be in the inode itself, without a block. */
const INLINE_BYTES = 4096;

function dataBytes(path: BytePath, { blocks, size }: Stats): number {
  const { type } = orUnreadable(path, () => statfsSync(toBytes(path)));
  if (!PLAIN_BLOCKS.has(type)) return size;
  return Math.min(size, blocks * 512 + INLINE_BYTES);
}
