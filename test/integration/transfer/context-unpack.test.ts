/** unpackContext(): invalid archives, unwritable targets, aborts. */
import { execFileSync } from "node:child_process";
import { chownSync, lstatSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { CbError } from "../../../lib/core/errors.ts";
import { unpackContext } from "../../../lib/recipe/context/unpack.ts";
import { archiveOf, archivePieces, childTars } from "../../support/recipe/archives.ts";
import { ContextTree, fileInput } from "../../support/recipe/context-tree.ts";
import { rejection } from "../../support/rejection.ts";

const test = suite<{ tree: ContextTree }>("context unpack");

test.before.each((world) => {
  world.tree = new ContextTree();
});
test.after.each(({ tree }) => tree.remove());

test("an invalid archive, a truncated one, or an unwritable target is an infrastructure error", async ({ tree }) => {
  const { root } = tree;
  const garbage = await rejection(unpackContext(archivePieces("x".repeat(5000)), { root, highestId: 0 }));
  assert.is((garbage as CbError).kind, "infrastructure");
  tree.file("sub/x", "x".repeat(50_000));
  const whole = await archiveOf(await tree.found({ inputs: [fileInput("sub")] }));
  const truncated = await rejection(unpackContext(archivePieces(whole.subarray(0, 30_000)), { root, highestId: 0 }));
  assert.match(String(truncated), "Unexpected EOF");
  const small = join(tree.top, "small");
  mkdirSync(small);
  execFileSync("mount", ["-t", "tmpfs", "-o", "size=16k", "tmpfs", small]);
  try {
    const full = (await rejection(unpackContext(archivePieces(whole), { root: small, highestId: 0 }))) as CbError;
    assert.is(full.kind, "infrastructure");
    assert.match(full.message, /sub\/x: (Wrote only|Cannot write: No space left)/);
  } finally {
    execFileSync("umount", [small]);
  }
  const missing = await rejection(unpackContext(archivePieces(whole), { root: join(root, "none"), highestId: 0 }));
  assert.match(String(missing), "No such file");
});

test("an error of the source and an abort end the unpacking", async ({ tree }) => {
  const { root } = tree;
  const broken = async function* (): AsyncGenerator<Uint8Array> {
    yield Buffer.alloc(512);
    throw new Error("the network");
  };
  assert.match(String(await rejection(unpackContext(broken(), { root, highestId: 0 }))), "the network");
  const stop = new AbortController();
  const aborting = async function* (): AsyncGenerator<Uint8Array> {
    yield Buffer.alloc(512);
    stop.abort(new Error("stop"));
    yield Buffer.alloc(512);
  };
  const stopped = await rejection(unpackContext(aborting(), { root, highestId: 0, signal: stop.signal }));
  assert.match(String(stopped), "stop");
  assert.equal(childTars(), []);
});

test("on a machine without the id of the owner, every file belongs to root", async ({ tree }) => {
  chownSync(tree.file("sub/x"), 1234, 1234);
  const archive = await archiveOf(await tree.found({ inputs: [fileInput("sub")] }));
  await unpackContext(archivePieces(archive), { root: tree.root, highestId: 2 ** 32 });
  assert.is(lstatSync(tree.mirrored("sub/x")).uid, 0);
});

test.run();
