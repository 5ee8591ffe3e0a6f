/** Reads recipe files: their bytes, their own ignore file, and the failures of the disk. */
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { readRecipe } from "../../../lib/cli/build/read-recipe.ts";
import { absolute } from "../../../lib/cli/build/working-directory.ts";
import { CbError } from "../../../lib/core/errors.ts";
import { readFailure } from "../../../lib/core/read-failure.ts";
import { encodeRecipe } from "../../../lib/recipe/recipe-text.ts";

const test = suite<{ folder: string }>("recipe file");

test.before.each((world) => {
  world.folder = mkdtempSync(join(tmpdir(), "cb-recipe-file-"));
});
test.after.each(({ folder }) => rmSync(folder, { recursive: true, force: true }));

async function refusal(read: () => unknown): Promise<CbError> {
  try {
    await read();
  } catch (error) {
    if (error instanceof CbError) return error;
    throw error;
  }
  throw new Error("not refused");
}

test("bytes that are not UTF-8 reach the builder unchanged", async ({ folder }) => {
  const bytes = Buffer.from("FROM debian\n# caf\xe9 \xc3\xa9\nLABEL a=\xe9\n", "latin1");
  writeFileSync(join(folder, "D"), bytes);
  const recipe = await readRecipe(join(folder, "D"), undefined);
  const sent: unknown = JSON.parse(JSON.stringify(recipe.text));
  assert.ok(encodeRecipe(String(sent)).equals(bytes));
});

test("a file with NUL bytes is refused as an image", async ({ folder }) => {
  writeFileSync(join(folder, "image"), "FROM x\n\0");
  const error = await refusal(() => readRecipe(join(folder, "image"), undefined));
  assert.is(error.kind, "usage");
  assert.match(error.hint ?? "", "is it an image?");
});

test("readRecipe() finds the Dockerfile's own ignore file, .dockerignore first", async ({ folder }) => {
  const path = join(folder, "D");
  writeFileSync(path, "FROM x\n");
  assert.is((await readRecipe(path, undefined)).ignoreFile, undefined);
  writeFileSync(`${path}.containerignore`, "");
  assert.is((await readRecipe(path, undefined)).ignoreFile, `${path}.containerignore`);
  writeFileSync(`${path}.dockerignore`, "");
  assert.is((await readRecipe(path, undefined)).ignoreFile, `${path}.dockerignore`);
  assert.is((await readRecipe(path, "singularity")).ignoreFile, undefined);
});

test("readRecipe() refuses an ignore file that cannot be read, because its files would be sent", async ({ folder }) => {
  const path = join(folder, "Dockerfile");
  writeFileSync(path, "FROM debian\n");
  symlinkSync("Dockerfile.dockerignore", `${path}.dockerignore`);
  const error = await refusal(() => readRecipe(path, undefined));
  assert.is(error.kind, "usage");
  assert.match(error.message, `cannot read the ignore file ${path}.dockerignore (ELOOP)`);
  assert.match(error.hint ?? "", "leads in a circle");
});

test("a name that is too long, a loop of links and a file as a folder are usage errors with their own remedy", async ({
  folder,
}) => {
  symlinkSync("loop", join(folder, "loop"));
  writeFileSync(join(folder, "file"), "");
  mkdirSync(join(folder, "folder"));
  for (const [name, hint] of [
    ["x".repeat(300), "shorten"],
    ["loop", "leads in a circle"],
    ["file/x", "one of its folders is a file"],
    ["folder", "name a file"],
  ] as const) {
    const error = await refusal(() => readRecipe(join(folder, name), undefined));
    assert.is(error.kind, "usage", name);
    assert.match(error.hint ?? "", name === "folder" ? "name a file in it" : hint, name);
  }
});

test("readFailure() separates the caller's errors from those of the machine", () => {
  for (const code of ["EACCES", "EPERM", "ELOOP", "ENAMETOOLONG", "EISDIR"])
    assert.is(readFailure(code).kind, "usage", code);
  for (const code of ["EIO", "ESTALE", "EMFILE", "ENFILE"]) assert.is(readFailure(code).kind, "infrastructure", code);
});

test("a deleted working directory is a usage error with a remedy", async () => {
  const before = process.cwd();
  const gone = mkdtempSync(join(tmpdir(), "cb-gone-"));
  process.chdir(gone);
  rmSync(gone, { recursive: true });
  try {
    assert.is(absolute("/a/../b"), "/b");
    const error = await refusal(() => absolute("b"));
    assert.is(error.kind, "usage");
    assert.match(error.hint ?? "", "change to an existing directory");
  } finally {
    process.chdir(before);
  }
});

test.run();
