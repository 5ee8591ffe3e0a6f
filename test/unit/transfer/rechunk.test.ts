import { suite } from "uvu";
import * as assert from "uvu/assert";
import { rechunk } from "../../../lib/transfer/rechunk.ts";

const test = suite("rechunk");

async function chunksOf(pieces: string[], chunkBytes: number): Promise<string[]> {
  const source = (async function* () {
    for (const piece of pieces) yield Buffer.from(piece);
  })();
  const chunks: string[] = [];
  for await (const chunk of rechunk(source, chunkBytes)) chunks.push(Buffer.from(chunk).toString());
  return chunks;
}

test("rechunk() splits pieces of any size into chunks of one size, the last shorter", async () => {
  assert.equal(await chunksOf(["abcdefgh", "", "i", "jk", "lmno"], 4), ["abcd", "efgh", "ijkl", "mno"]);
  assert.equal(await chunksOf(["abcd"], 4), ["abcd"]);
  assert.equal(await chunksOf(["a", "b", "c", "d", "e"], 4), ["abcd", "e"]);
});

test("rechunk() of no bytes yields no chunk", async () => {
  assert.equal(await chunksOf([], 4), []);
  assert.equal(await chunksOf(["", ""], 4), []);
});

test.run();
