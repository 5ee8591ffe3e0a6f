import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { squashfsOffset } from "../../../../agent/bootstrap/squashfs-offset.ts";
import { DEFINITION, SQUASHFS, sifImage } from "../../../support/sif-image.ts";

const test = suite<{ folder: string }>("squashfs offset");

test.before.each((world) => {
  world.folder = mkdtempSync(join(tmpdir(), "cb-offset-"));
});
test.after.each(({ folder }) => rmSync(folder, { recursive: true }));

test("squashfsOffset() finds the squashfs that is in use, and no other object", async ({ folder }) => {
  const path = join(folder, "image.sif");
  const offset = async (bytes: Buffer): Promise<number | undefined> => {
    writeFileSync(path, bytes);
    return squashfsOffset(path);
  };
  assert.is(await offset(sifImage([DEFINITION, SQUASHFS])), 36_864);
  assert.is(await offset(sifImage([DEFINITION, [0x4004, 0, 1, 1], SQUASHFS])), 36_864);
  assert.is(await offset(sifImage([DEFINITION, [0x4004, 1, 36_864, 2]])), undefined);
  assert.is(await offset(sifImage([])), undefined);
  assert.is(await offset(sifImage([SQUASHFS], 2)), undefined, "its table is cut");
  assert.is(await offset(sifImage([SQUASHFS], 2 ** 40)), undefined);
  assert.is(await offset(sifImage([SQUASHFS]).subarray(0, 100)), undefined);
  assert.is(await offset(Buffer.alloc(10_000)), undefined);
});

test.run();
