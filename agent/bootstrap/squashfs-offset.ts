/** Finds the file system in an image, by the layout that sif (the Go library) gives to it: pkg/sif/sif.go, pkg/sif/descriptor.go. */
import { type FileHandle, open } from "node:fs/promises";

const MAGIC = "SIF_MAGIC";
const MAGIC_AT = 32;
const HEADER_BYTES = 128;
/** Positions in the header, little-endian: the number of descriptors, and where they begin. */
const TOTAL_AT = 88;
const DESCRIPTORS_AT = 96;
const DESCRIPTOR_BYTES = 585;
/** sif reserves 48. */
const DESCRIPTORS_MAX = 1024;
/** Positions in a descriptor: its type, whether it is in use, where its object begins, and the kind of file system. */
const USED_AT = 4;
const OFFSET_AT = 17;
const FILE_SYSTEM_AT = 201;
const PARTITION = 0x4004;
const SQUASHFS = 1;

/** The position of the squashfs in the image, in bytes. Undefined when the file is no such image. Throws the errors of the file system. */
export async function squashfsOffset(path: string): Promise<number | undefined> {
  const file = await open(path);
  try {
    return await offsetIn(file);
  } finally {
    await file.close();
  }
}

async function offsetIn(file: FileHandle): Promise<number | undefined> {
  const header = await read(file, 0, HEADER_BYTES);
  if (header?.toString("latin1", MAGIC_AT, MAGIC_AT + MAGIC.length) !== MAGIC) return undefined;
  const total = Number(header.readBigInt64LE(TOTAL_AT));
  if (total < 0 || total > DESCRIPTORS_MAX) return undefined;
  const table = await read(file, Number(header.readBigInt64LE(DESCRIPTORS_AT)), total * DESCRIPTOR_BYTES);
  for (let at = 0; table !== undefined && at < table.length; at += DESCRIPTOR_BYTES) {
    const isSquashfs = table.readInt32LE(at) === PARTITION && table.readInt32LE(at + FILE_SYSTEM_AT) === SQUASHFS;
    if (table[at + USED_AT] !== 0 && isSquashfs) return Number(table.readBigInt64LE(at + OFFSET_AT));
  }
  return undefined;
}

/** Undefined when the file ends before that. */
async function read(file: FileHandle, at: number, bytes: number): Promise<Buffer | undefined> {
  if (!Number.isSafeInteger(at) || at < 0) return undefined;
  const { buffer, bytesRead } = await file.read(Buffer.alloc(bytes), 0, bytes, at);
  return bytesRead === bytes ? buffer : undefined;
}
