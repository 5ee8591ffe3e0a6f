/**
 * How long an archive can get that `tar --format=posix --sparse` makes: never less than it does, and not much more. Blocks
 * of 512 bytes (POSIX.1-2017, pax, "ustar Interchange Format"; GNU tar manual, "Sparse Formats", PAX 1.0).
 */
import { type Stats, statfsSync } from "node:fs";
import { type BytePath, toBytes } from "./byte-path.ts";

const BLOCK_BYTES = 512;
/** Two empty blocks, and the rest of a record of 20 blocks. */
export const ARCHIVE_END_BYTES = 2 * BLOCK_BYTES + 20 * BLOCK_BYTES;

/** Its keyword, a length of at most five digits, a blank, `=` and a line end stand around the value of a pax record. */
const record = (keyword: string, valueBytes: number): number => keyword.length + valueBytes + 8;
/** Twenty digits hold what 64 bits do; a time has a dot and nine digits more. */
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
/** Two numbers with line ends for each piece of data, the smallest of which is a block. */
const SPARSE_MAP_SHARE = 42 / BLOCK_BYTES;

export interface Measured {
  readonly path: BytePath;
  readonly stat: Stats;
  /** The longest name that the entry may be a link to, symbolic or hard; 0 when it is none. */
  readonly linkBytes: number;
  /** True when its content is in the archive already. */
  readonly isRepeat: boolean;
}

/** Header and content of one entry. */
export function entryBytes({ path, stat, linkBytes, isRepeat }: Measured): number {
  const nameBytes = path.length + 2;
  let records = record("path", nameBytes) + NUMBERS_BYTES + (linkBytes === 0 ? 0 : record("linkpath", linkBytes + 2));
  let content = 0;
  if (stat.isFile() && !isRepeat) {
    content = stat.size;
    if (isSparse(stat)) {
      records += SPARSE_BYTES + record("GNU.sparse.name", nameBytes) + SPARSE_NAME_BYTES;
      const data = dataBytes(path, stat);
      content = data + Math.ceil(data * SPARSE_MAP_SHARE) + 4 * BLOCK_BYTES;
    }
  }
  return 2 * BLOCK_BYTES + wholeBlocks(records) + wholeBlocks(content);
}

const wholeBlocks = (bytes: number): number => Math.ceil(bytes / BLOCK_BYTES) * BLOCK_BYTES;
/** As tar sees it: fewer blocks than its size takes. */
const isSparse = ({ blocks, size }: Stats): boolean => blocks * 512 < size;

/** ext2 to ext4, XFS, tmpfs (statfs(2)): what is not in their blocks is a hole. Elsewhere data may be compressed, or held by a server. */
const PLAIN_BLOCKS = new Set([0xef53, 0x58465342, 0x01021994]);
/** A short end of a file that its inode holds itself is in no block. */
const INLINE_BYTES = 4096;

function dataBytes(path: BytePath, { blocks, size }: Stats): number {
  if (!PLAIN_BLOCKS.has(statfsSync(toBytes(path)).type)) return size;
  return Math.min(size, blocks * 512 + INLINE_BYTES);
}
