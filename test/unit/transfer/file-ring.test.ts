import { randomBytes } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { fileRing } from "../../../lib/transfer/file-ring.ts";
import { rejection } from "../../support/rejection.ts";

const test = suite<{ dir: string; path: string }>("file ring");
const MIB = 2 ** 20;
const CHUNK_BYTES = 128 * 1024;

test.before.each(async (world) => {
  world.dir = await mkdtemp(join(tmpdir(), "cb-ring-"));
  world.path = join(world.dir, "file");
});
test.after.each(async ({ dir }) => {
  await rm(dir, { recursive: true, force: true });
});

test("fileRing() yields the file in chunks of one size, and only the last is shorter", async ({ path }) => {
  for (const [bytes, chunkBytes] of [
    [0, CHUNK_BYTES],
    [1, CHUNK_BYTES],
    [MIB, CHUNK_BYTES],
    [3 * MIB + 5, CHUNK_BYTES],
    [MIB, 100_000],
    [MIB, 3 * MIB],
  ] as const) {
    const data = randomBytes(bytes);
    await writeFile(path, data);
    const chunks: Buffer[] = [];
    for await (const chunk of fileRing(path, { chunkBytes, heldBytes: MIB })) chunks.push(Buffer.from(chunk));
    assert.ok(Buffer.concat(chunks).equals(data), `${bytes} bytes in chunks of ${chunkBytes}`);
    assert.ok(chunks.slice(0, -1).every((chunk) => chunk.length === chunkBytes));
    assert.is(chunks.length, Math.ceil(bytes / chunkBytes));
  }
});

test("fileRing() keeps a chunk until heldBytes more were yielded, and uses its memory again later", async ({
  path,
}) => {
  const data = randomBytes(12 * MIB);
  await writeFile(path, data);
  const held: { readonly chunk: Uint8Array; readonly at: number }[] = [];
  const memory = new Set<ArrayBufferLike>();
  let at = 0;
  for await (const chunk of fileRing(path, { chunkBytes: CHUNK_BYTES, heldBytes: 2 * MIB })) {
    memory.add(chunk.buffer);
    held.push({ chunk, at });
    at += chunk.length;
    while (at - (held[0]?.at ?? at) > 2 * MIB + CHUNK_BYTES) held.shift();
    for (const one of held) {
      const expected = data.subarray(one.at, one.at + one.chunk.length);
      assert.ok(expected.equals(one.chunk), `the chunk at ${one.at}, when ${at} bytes were yielded`);
    }
  }
  assert.is(memory.size, 1);
  assert.ok([...memory].every(({ byteLength }) => byteLength <= 4 * MIB));
});

test("fileRing() throws the error of a file that cannot be read", async ({ dir, path }) => {
  const read = async (from: string): Promise<void> => {
    for await (const _ of fileRing(from, { chunkBytes: CHUNK_BYTES, heldBytes: MIB }));
  };
  assert.match(String(await rejection(read(path))), "ENOENT");
  assert.match(String(await rejection(read(dir))), "EISDIR");
});

test.run();
