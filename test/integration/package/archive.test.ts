/** The archives of packages are reproducible. */
import { execFileSync } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { normalize, pack } from "../../../infra/package/archive.ts";

const test = suite<{ folder: string }>("infra/package/archive");

test.before.each((context) => {
  context.folder = mkdtempSync(join(tmpdir(), "cb-archive-"));
});
test.after.each(({ folder }) => rmSync(folder, { recursive: true }));

/** Writes the same files in the given order and with other modes, and packs them. */
async function packed(folder: string, names: readonly string[], umask: number): Promise<Buffer> {
  const before = process.umask(umask);
  const tree = join(folder, `of-${umask}`, "program-1");
  mkdirSync(join(tree, "bin"), { recursive: true });
  for (const name of names) writeFileSync(join(tree, "bin", name), `content of ${name}\n`);
  chmodSync(join(tree, "bin/b"), 0o700);
  symlinkSync("bin/b", join(tree, "link"));
  process.umask(before);
  await normalize(tree, 1_700_000_000);
  await pack(tree, join(folder, `${umask}.tar.xz`));
  return readFileSync(join(folder, `${umask}.tar.xz`));
}

test("the same content gives the same bytes under another umask and in another order of creation", async ({
  folder,
}) => {
  const first = await packed(folder, ["a", "b", "c"], 0o022);
  const second = await packed(folder, ["c", "b", "a"], 0o077);
  assert.ok(first.equals(second));
  const listing = execFileSync("tar", ["--utc", "-tvf", join(folder, `${0o077}.tar.xz`)], { encoding: "utf8" });
  assert.match(listing, /^drwxr-xr-x 0\/0 +0 2023-11-14 22:13 program-1\/$/m);
  assert.match(listing, /^-rw-r--r-- 0\/0 .* program-1\/bin\/a$/m);
  assert.match(listing, /^-rwxr-xr-x 0\/0 .* program-1\/bin\/b$/m);
});

test.run();
