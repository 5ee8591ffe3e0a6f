import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { CbError } from "../../../lib/core/errors.ts";
import { type ReceivedFile, receiveFile } from "../../../lib/transfer/receive-file.ts";
import {
  checkTarget,
  createHidden,
  mayReplace,
  outputError,
  type ReceiveOptions,
} from "../../../lib/transfer/target.ts";

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

async function receiveAndPlace(chunks: AsyncGenerator<Uint8Array, string>, options: ReceiveOptions): Promise<string> {
  const received: ReceivedFile<string> = await receiveFile(chunks, options);
  await received.place();
  return received.result;
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
  assert.is(await receiveAndPlace(pieces(["ab", "", "c"], state), { path, force: false }), "verified");
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
  assert.is(await failure(receiveAndPlace(chunks, { path, force: false })), damaged);
  assert.equal(await readdir(dir), []);
});

test("receiveFile() without force never overwrites an existing file, nor one created meanwhile", async ({
  dir,
  path,
}) => {
  await writeFile(path, "old");
  const state = { ended: false };
  assert.is((await failure(receiveAndPlace(pieces(["x"], state), { path, force: false }))).kind, "usage");
  assert.is(await readFile(path, "utf8"), "old");
  await rm(path);
  const error = await failure(
    receiveAndPlace(
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
  assert.is((await failure(receiveAndPlace(pieces(["x"], { ended: false }), { path, force: false }))).kind, "usage");
  assert.equal(await readdir(dir), ["image.sif"]);
});

test("receiveFile() with force replaces a file, and keeps the old one when the chunks fail", async ({ dir, path }) => {
  await writeFile(path, "old");
  const failing = pieces(["new"], { ended: false }, () => Promise.reject(new CbError("cancelled", "stopped")));
  assert.is((await failure(receiveAndPlace(failing, { path, force: true }))).kind, "cancelled");
  assert.is(await readFile(path, "utf8"), "old");
  await receiveAndPlace(pieces(["new"], { ended: false }), { path, force: true });
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
    const error = await failure(receiveAndPlace(chunks, { path: target, force: true }));
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
  assert.match(outputError("/x", { code: "Unknown system error -122" }).message, "cannot write /x (EDQUOT)");
  assert.match(outputError("/x", { code: "Unknown system error -122" }).hint ?? "", "quota");
  for (const code of ["EIO", "Unknown system error -116"]) {
    const { kind, hint = "" } = outputError("/x", { code });
    assert.is(kind, "output");
    assert.match(hint, "the disk or the file server failed");
  }
  for (const code of ["EMFILE", "ENFILE"]) assert.is(outputError("/x", { code }).kind, "infrastructure");
  assert.match(outputError("/x", { code: "EACCES" }).hint ?? "", "may write");
  assert.is(outputError("/x", new Error("other")).message, "cannot write /x");
});

test("receiveFile() leaves an old file as it was until place(), and discard() removes the received data", async ({
  dir,
  path,
}) => {
  await writeFile(path, "old");
  const dropped = await receiveFile(pieces(["new"], { ended: false }), { path, force: true });
  assert.is(await readFile(path, "utf8"), "old");
  await dropped.discard();
  assert.equal(await readdir(dir), ["image.sif"]);
  const kept = await receiveFile(pieces(["new"], { ended: false }), { path, force: true });
  assert.is(await readFile(path, "utf8"), "old");
  await kept.place();
  await kept.discard();
  assert.is(await readFile(path, "utf8"), "new");
  assert.equal(await readdir(dir), ["image.sif"]);
  const lost = await receiveFile(pieces(["newer"], { ended: false }), { path, force: true });
  for (const name of await readdir(dir)) if (name.endsWith(".part")) await rm(join(dir, name));
  assert.is((await failure(lost.place())).kind, "output");
  assert.is(await readFile(path, "utf8"), "new");
});

test("a received image may be executed, less the umask; a replaced file keeps its mode, and a link has none", async ({
  dir,
  path,
}) => {
  const mode = async () => (await stat(path)).mode & 0o7777;
  const before = process.umask(0o027);
  try {
    await receiveAndPlace(pieces(["x"], { ended: false }), { path, force: false });
    assert.is(await mode(), 0o750);
    for (const kept of [0o600, 0o444, 0o777]) {
      await chmod(path, kept);
      await receiveAndPlace(pieces(["y"], { ended: false }), { path, force: true });
      assert.is(await mode(), kept);
    }
    await rm(path);
    await symlink(join(dir, "elsewhere"), path);
    await receiveAndPlace(pieces(["z"], { ended: false }), { path, force: true });
    assert.is(await mode(), 0o750);
  } finally {
    process.umask(before);
  }
});

test("names of up to 255 bytes are received, also of characters of several bytes; longer ones fail before", async ({
  dir,
}) => {
  for (const name of [
    "é".repeat(127),
    "世".repeat(85),
    "a".repeat(255),
    `${"😀".repeat(63)}abc`,
    `a${"é".repeat(127)}`,
  ]) {
    assert.ok(Buffer.byteLength(name) >= 254);
    const options = { path: join(dir, name), force: false };
    const { path, file } = await createHidden(options);
    await file.close();
    // 143 bytes is the shortest known limit of a name (eCryptfs).
    assert.ok(Buffer.byteLength(basename(path)) <= 143, basename(path));
    assert.not.match(basename(path), "\ufffd");
    await rm(path);
    await checkTarget(options);
    assert.equal(await readdir(dir), []);
    await receiveAndPlace(pieces(["x"], { ended: false }), options);
    assert.equal(await readdir(dir), [name]);
    await rm(options.path);
  }
  for (const force of [true, false]) {
    const error = await failure(checkTarget({ path: join(dir, "é".repeat(128)), force }));
    assert.is(error.kind, "output");
    assert.match(error.message, "ENAMETOOLONG");
  }
});

test("checkTarget() finds that the hidden file does not fit PATH_MAX, though the target does", async ({ dir }) => {
  // PATH_MAX is 4096 with the final NUL. The folder is made step by step, each within the limit.
  let folder = dir;
  while (folder.length < 4000) folder = join(folder, "d".repeat(Math.min(200, 4085 - folder.length - 1)));
  while (folder.length < 4085) folder = join(folder, "d".repeat(4085 - folder.length - 1));
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, "x.sif"), "the target itself fits");
  const error = await failure(checkTarget({ path: join(folder, "x.sif"), force: true }));
  assert.is(error.kind, "output");
  assert.match(error.message, "ENAMETOOLONG");
});

test("mayReplace() refuses another user's file in a sticky folder, which rename(2) refuses after the build", () => {
  const sticky = { mode: 0o41777, uid: 0 };
  assert.not.ok(mayReplace(sticky, { uid: 1 }, 2));
  assert.ok(mayReplace(sticky, { uid: 2 }, 2));
  assert.ok(mayReplace({ ...sticky, uid: 2 }, { uid: 1 }, 2));
  assert.ok(mayReplace(sticky, { uid: 1 }, 0));
  assert.ok(mayReplace({ mode: 0o40777, uid: 0 }, { uid: 1 }, 2));
});

test.run();
