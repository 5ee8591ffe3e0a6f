import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { CbError } from "../../../lib/core/errors.ts";
import { outputError, receiveFile } from "../../../lib/transfer/receive-file.ts";

const test = suite<{ dir: string; path: string }>("receive file");

test.before.each(async (world) => {
  world.dir = await mkdtemp(join(tmpdir(), "cb-receive-"));
  world.path = join(world.dir, "image.sif");
});
test.after.each(async ({ dir }) => {
  await rm(dir, { recursive: true, force: true });
});

interface SourceState {
  ended: boolean;
}

async function* pieces(
  texts: string[],
  state: SourceState,
  atEnd?: () => Promise<void>,
): AsyncGenerator<Uint8Array, string> {
  try {
    for (const text of texts) yield Buffer.from(text);
    await atEnd?.();
    return "verified";
  } finally {
    state.ended = true;
  }
}

async function failure(promise: Promise<unknown>): Promise<CbError> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof CbError) return error;
    throw error;
  }
  throw new Error("the promise resolved");
}

test("receiveFile() writes the complete file and nothing else, and returns the return value of the chunks", async ({
  dir,
  path,
}) => {
  const state = { ended: false };
  assert.is(await receiveFile(pieces(["ab", "", "c"], state), { path, force: false }), "verified");
  assert.is(await readFile(path, "utf8"), "abc");
  assert.equal(await readdir(dir), ["image.sif"]);
});

test("receiveFile() creates no file of that name before the end, and leaves none if the chunks fail", async ({
  dir,
  path,
}) => {
  const state = { ended: false };
  const damaged = new CbError("infrastructure", "damaged");
  const chunks = pieces(["ab"], state, async () => {
    assert.is((await readdir(dir)).length, 1);
    assert.not((await readdir(dir)).includes("image.sif"));
    throw damaged;
  });
  assert.is(await failure(receiveFile(chunks, { path, force: false })), damaged);
  assert.equal(await readdir(dir), []);
});

test("receiveFile() without force never overwrites an existing file, nor one created meanwhile", async ({
  dir,
  path,
}) => {
  await writeFile(path, "old");
  const state = { ended: false };
  assert.is((await failure(receiveFile(pieces(["x"], state), { path, force: false }))).kind, "usage");
  assert.is(await readFile(path, "utf8"), "old");
  await rm(path);
  const error = await failure(
    receiveFile(
      pieces(["x"], state, () => writeFile(path, "created meanwhile")),
      { path, force: false },
    ),
  );
  assert.is(error.kind, "usage");
  assert.match(error.hint ?? "", "--force");
  assert.is(await readFile(path, "utf8"), "created meanwhile");
  assert.equal(await readdir(dir), ["image.sif"]);
  assert.ok(state.ended);
});

test("receiveFile() without force does not write through a dangling link", async ({ dir, path }) => {
  await symlink(join(dir, "elsewhere"), path);
  assert.is((await failure(receiveFile(pieces(["x"], { ended: false }), { path, force: false }))).kind, "usage");
  assert.equal(await readdir(dir), ["image.sif"]);
});

test("receiveFile() with force replaces a file, and keeps the old one when the chunks fail", async ({ dir, path }) => {
  await writeFile(path, "old");
  const failing = pieces(["new"], { ended: false }, () => Promise.reject(new CbError("cancelled", "stopped")));
  assert.is((await failure(receiveFile(failing, { path, force: true }))).kind, "cancelled");
  assert.is(await readFile(path, "utf8"), "old");
  await receiveFile(pieces(["new"], { ended: false }), { path, force: true });
  assert.is(await readFile(path, "utf8"), "new");
  assert.equal(await readdir(dir), ["image.sif"]);
});

test("receiveFile() ends the chunks and throws an error with path and hint if it cannot write there", async ({
  dir,
  path,
}) => {
  await writeFile(join(dir, "file"), "");
  await mkdir(join(dir, "directory"));
  for (const [target, kind, hint] of [
    [join(dir, "none", "image.sif"), "output", "create the directory"],
    [join(dir, "file", "image.sif"), "output", "is a file"],
    [join(dir, "directory"), "usage", "is a directory"],
    [join(dir, "n".repeat(300)), "output", "shorter name"],
  ] as const) {
    const state = { ended: false };
    const chunks = pieces(["x"], state);
    const error = await failure(receiveFile(chunks, { path: target, force: true }));
    assert.is(error.kind, kind);
    assert.match(error.message, target);
    assert.match(error.hint ?? "", hint);
    assert.ok((await chunks.next()).done);
  }
  assert.equal((await readdir(dir)).sort(), ["directory", "file"]);
  assert.ok(path);
});

test("outputError() has a hint for a full disk, a quota and missing permissions", () => {
  assert.match(outputError("/x", { code: "ENOSPC" }).hint ?? "", "free some space");
  assert.match(outputError("/x", { code: "EDQUOT" }).hint ?? "", "quota");
  assert.match(outputError("/x", { code: "EACCES" }).hint ?? "", "may write");
  assert.is(outputError("/x", new Error("other")).message, "cannot write /x");
});

test.run();
