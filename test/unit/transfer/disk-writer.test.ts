import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { constants } from "node:fs";
import { type FileHandle, mkdtemp, open, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { codeOf } from "../../../lib/core/errors.ts";
import { DiskWriter } from "../../../lib/transfer/disk-writer.ts";
import { rejection } from "../../support/rejection.ts";

const test = suite<{ dir: string }>("disk writer");
const MIB = 2 ** 20;

test.before.each(async (world) => {
  world.dir = await mkdtemp(join(tmpdir(), "cb-disk-"));
});
test.after.each(async ({ dir }) => {
  await rm(dir, { recursive: true, force: true });
});

test("the file has all pieces in order, however many wait for a write or are flushed meanwhile", async ({ dir }) => {
  const pieces = [0, 1, 200_000, 3 * MIB, 0, 70_000, 100_000, 2 * MIB, 5].map((bytes) => randomBytes(bytes));
  const path = join(dir, "file");
  const file = await open(path, "wx");
  const writer = new DiskWriter(file, 100_000);
  // The first ones without waiting, so that several pieces are written together.
  const early = pieces.slice(0, 3).map((piece) => writer.write(piece));
  await Promise.all(early);
  for (const piece of pieces.slice(3)) await writer.write(piece);
  await writer.finish();
  await writer.close();
  assert.ok((await readFile(path)).equals(Buffer.concat(pieces)));
});

test("write() and finish() reject with the error of an earlier write, and idle() does not", async () => {
  const file = await open("/dev/full", "w");
  try {
    const writer = new DiskWriter(file);
    await writer.write(Buffer.from("small: it is written later"));
    await writer.idle();
    assert.is(codeOf(await rejection(writer.write(Buffer.from("x")))), "ENOSPC");
    assert.is(codeOf(await rejection(writer.finish())), "ENOSPC");
    const large = new DiskWriter(file);
    await large.write(Buffer.alloc(2 * MIB));
    assert.is(codeOf(await rejection(large.write(Buffer.alloc(2 * MIB)))), "ENOSPC");
  } finally {
    await file.close();
  }
});

test("write() and finish() reject with the error of an earlier flush", async ({ dir }) => {
  const path = join(dir, "fifo");
  execFileSync("mkfifo", [path]);
  // It takes 64 KiB without a reader, and fdatasync(2) refuses it.
  const file: FileHandle = await open(path, constants.O_RDWR);
  try {
    const writer = new DiskWriter(file, 1000);
    await writer.write(Buffer.alloc(2000));
    await writer.idle();
    assert.is(codeOf(await rejection(writer.write(Buffer.from("x")))), "EINVAL");
    assert.is(codeOf(await rejection(writer.finish())), "EINVAL");
  } finally {
    await file.close();
  }
});

test.run();
