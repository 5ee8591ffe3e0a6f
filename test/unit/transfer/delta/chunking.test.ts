import { createHash } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { open } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { type Chunk, encodeChunkList } from "../../../../lib/transfer/delta/chunk-list.ts";
import { CHUNK_MAX_BYTES, CHUNK_MIN_BYTES, firstChunk } from "../../../../lib/transfer/delta/chunking.ts";
import { fileChunks } from "../../../../lib/transfer/delta/file-chunks.ts";
import { Random } from "../../../sim/random.ts";
import { cut, edit, listOf, randomData } from "../../../support/transfer/edited.ts";

const test = suite<{ folder: string }>("chunking");
const MIB = 1024 * 1024;

test.before((context) => {
  context.folder = mkdtempSync(join(tmpdir(), "cb-chunks-"));
});
test.after(({ folder }) => rmSync(folder, { recursive: true, force: true }));

async function chunksOfFile(path: string, signal = new AbortController().signal): Promise<Chunk[]> {
  const file = await open(path);
  const chunks: Chunk[] = [];
  try {
    for await (const chunk of fileChunks(file, signal)) chunks.push(chunk);
  } finally {
    await file.close();
  }
  return chunks;
}

test("firstChunk() stays within its bounds, and is all of a shorter end", () => {
  assert.is(firstChunk(new Uint8Array(0)), 0);
  assert.is(firstChunk(new Uint8Array(1)), 1);
  assert.is(firstChunk(new Uint8Array(CHUNK_MIN_BYTES)), CHUNK_MIN_BYTES);
  assert.is(firstChunk(new Uint8Array(CHUNK_MAX_BYTES + 1)), CHUNK_MAX_BYTES);
  const sizes = cut(randomData(new Random(1), 16 * MIB)).map(({ length }) => length);
  assert.ok(sizes.slice(0, -1).every((bytes) => bytes >= CHUNK_MIN_BYTES && bytes <= CHUNK_MAX_BYTES));
  const average = (16 * MIB) / sizes.length;
  assert.ok(average > 75_000 && average < 115_000, `${average}`);
});

test("an edit changes the chunks around it alone: random edits of random data", () => {
  for (let seed = 1; seed <= 8; seed += 1) {
    const random = new Random(seed);
    const old = randomData(random, 4 * MIB);
    const known = new Set(listOf(old).map(({ hash }) => hash));
    const edits = random.between(1, 3);
    const missing = listOf(edit(random, old, edits)).filter(({ hash }) => !known.has(hash));
    // Two chunks where the edit meets a cut, and further ones until a cut of the old data is met again.
    assert.ok(missing.length <= edits * 6, `seed ${seed}: ${missing.length} chunks of ${edits} edits`);
  }
});

test("the numbers that agent and client share have not changed", () => {
  const list = encodeChunkList(listOf(randomData(new Random(7), 4 * MIB)));
  assert.is(
    createHash("sha256").update(list).digest("hex"),
    "45629a695ac4ee4136011beb553f76683b030148274ae9d6c27e4758dc9087b7",
  );
});

for (const bytes of [
  0,
  1,
  CHUNK_MIN_BYTES,
  CHUNK_MAX_BYTES - 1,
  CHUNK_MAX_BYTES,
  CHUNK_MAX_BYTES + 1,
  MIB,
  3 * MIB + 17,
]) {
  test(`fileChunks() cuts a file of ${bytes} bytes as the same bytes in memory`, async ({ folder }) => {
    for (const data of [randomData(new Random(bytes), bytes), Buffer.alloc(bytes)]) {
      const path = join(folder, "data");
      writeFileSync(path, data);
      assert.equal(await chunksOfFile(path), listOf(data));
    }
  });
}

test("fileChunks() ends with the reason of an aborted signal", async ({ folder }) => {
  const path = join(folder, "aborted");
  writeFileSync(path, "x");
  const error = await chunksOfFile(path, AbortSignal.abort("enough")).catch((reason: unknown) => reason);
  assert.is(error, "enough");
});

test.run();
