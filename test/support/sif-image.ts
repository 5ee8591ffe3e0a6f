/** A file with the header of an image, as squashfsOffset() reads it. */

const DESCRIPTORS_AT = 4096;
const DESCRIPTOR_BYTES = 585;
const FILE_SYSTEM_AT = 201;

/** Type, use, offset, and the kind of file system. */
export type SifObject = readonly [number, number, number, number];

export const DEFINITION: SifObject = [0x4001, 1, 32_768, 1];
export const SQUASHFS: SifObject = [0x4004, 1, 36_864, 1];

/** `total`: the number of objects that its header names. */
export function sifImage(objects: readonly SifObject[], total = objects.length): Buffer {
  const file = Buffer.alloc(DESCRIPTORS_AT + objects.length * DESCRIPTOR_BYTES);
  file.write("SIF_MAGIC\0", 32, "latin1");
  file.writeBigInt64LE(BigInt(total), 88);
  file.writeBigInt64LE(BigInt(DESCRIPTORS_AT), 96);
  for (const [index, [type, used, offset, kind]] of objects.entries()) {
    const at = DESCRIPTORS_AT + index * DESCRIPTOR_BYTES;
    file.writeInt32LE(type, at);
    file[at + 4] = used;
    file.writeBigInt64LE(BigInt(offset), at + 17);
    file.writeInt32LE(kind, at + FILE_SYSTEM_AT);
  }
  return file;
}
