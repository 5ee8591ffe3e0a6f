import { chmodSync, mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { contextDigest, contextStamp } from "../../../../lib/recipe/context/digest.ts";
import { type Context, findContext } from "../../../../lib/recipe/context/find.ts";

const test = suite<{ folder: string }>("context digest");

test.before.each((world) => {
  world.folder = mkdtempSync(join(tmpdir(), "cb-digest-"));
  mkdirSync(join(world.folder, "sub"));
  writeFileSync(join(world.folder, "a"), "one");
  writeFileSync(join(world.folder, "sub", "b"), "two");
  symlinkSync("a", join(world.folder, "link"));
});
test.after.each(({ folder }) => {
  rmSync(folder, { recursive: true, force: true });
});

async function found(directory: string): Promise<Context> {
  const context = await findContext({ directory, backend: "docker", inputs: [], whole: true });
  if (context === undefined) throw new Error("no context");
  return context;
}
const digestOf = async (directory: string): Promise<string> => (await contextDigest(await found(directory))).digest;

test("the times of files and the order in their folder do not count", async ({ folder }) => {
  const before = await digestOf(folder);
  utimesSync(join(folder, "a"), 1, 1);
  writeFileSync(join(folder, "c"), "");
  renameSync(join(folder, "a"), join(folder, "d"));
  rmSync(join(folder, "c"));
  writeFileSync(join(folder, "a"), "one");
  rmSync(join(folder, "d"));
  assert.is(await digestOf(folder), before);
});

const CHANGES: Record<string, (folder: string) => void> = {
  "the content of a file": (folder) => writeFileSync(join(folder, "a"), "0ne"),
  "the permissions of a file": (folder) => chmodSync(join(folder, "a"), 0o755),
  "the name of a file": (folder) => renameSync(join(folder, "a"), join(folder, "b")),
  "the folder of a file": (folder) => renameSync(join(folder, "sub", "b"), join(folder, "b")),
  "two files that exchange their contents": (folder) => {
    writeFileSync(join(folder, "a"), "two");
    writeFileSync(join(folder, "sub", "b"), "one");
  },
  "the target of a link": (folder) => {
    rmSync(join(folder, "link"));
    symlinkSync("sub/b", join(folder, "link"));
  },
  "a file in place of a link": (folder) => {
    rmSync(join(folder, "link"));
    writeFileSync(join(folder, "link"), "one");
  },
  "an empty folder": (folder) => mkdirSync(join(folder, "empty")),
};

for (const [what, change] of Object.entries(CHANGES)) {
  test(`${what} counts`, async ({ folder }) => {
    const before = await digestOf(folder);
    change(folder);
    assert.is.not(await digestOf(folder), before);
  });
}

test("the stamp is that of the same files until one of them changes, also back to its old content", async ({
  folder,
}) => {
  const context = await found(folder);
  const { stamp } = await contextDigest(context);
  assert.is(await contextStamp(context), stamp);
  writeFileSync(join(folder, "sub", "b"), "tw0");
  writeFileSync(join(folder, "sub", "b"), "two");
  assert.is.not(await contextStamp(context), stamp);
});

test("a file that was deleted since is named", async ({ folder }) => {
  const context = await found(folder);
  rmSync(join(folder, "a"));
  const error = await contextDigest(context).catch((thrown: unknown) => thrown);
  assert.match(String(error), `cannot read ${join(folder, "a")} (ENOENT)`);
});

test.run();
