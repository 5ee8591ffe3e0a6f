/** The memory of the sending process does not grow with the size of a context or its number of files. */
// alone: it measures memory.
// timeout: 900 s
import { execFileSync } from "node:child_process";
import { closeSync, mkdirSync, openSync, statSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { build } from "esbuild";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { ContextTree } from "../../support/recipe/context-tree.ts";

const test = suite<{ tree: ContextTree }>("context memory");

/** Limit of the client's peak memory. */
const LIMIT_KIB = 150 * 1024;

interface Figures {
  readonly peakKib: number;
  readonly bytes: number;
  readonly files: number;
  readonly maxArchiveBytes: number;
}

test.before.each((world) => {
  world.tree = new ContextTree();
});
test.after.each(({ tree }) => tree.remove());

/** Runs the bundled program, as shipped, because a compiler in the process would be measured too. */
async function send(tree: ContextTree): Promise<Figures> {
  const outfile = join(tree.top, "child.mjs");
  const entryPoints = [new URL("../../support/recipe/context-child.ts", import.meta.url).pathname];
  await build({ entryPoints, outfile, bundle: true, platform: "node", format: "esm", logLevel: "error" });
  const output = execFileSync(process.execPath, [outfile, tree.directory, tree.root], { encoding: "utf8" });
  process.stderr.write(output);
  return JSON.parse(output) as Figures;
}

test("2 GiB are sent in constant memory", async ({ tree }) => {
  const chunk = Buffer.alloc(16 * 1024 * 1024);
  for (let at = 0; at < chunk.length; at++) chunk[at] = (at * 2_654_435_761) >>> 24;
  for (const [name, chunks] of [
    ["large", 100],
    ["sub", 28],
  ] as const) {
    const file = openSync(join(tree.directory, name), "w");
    for (let index = 0; index < chunks; index++) writeSync(file, chunk);
    closeSync(file);
  }
  const { peakKib, bytes, maxArchiveBytes } = await send(tree);
  assert.ok(bytes > 2 * 1024 ** 3 && bytes <= maxArchiveBytes, `${bytes} of ${maxArchiveBytes}`);
  assert.is(statSync(tree.mirrored("large")).size, 1600 * 1024 ** 2);
  execFileSync("cmp", [join(tree.directory, "large"), tree.mirrored("large")]);
  assert.ok(peakKib < LIMIT_KIB, `${peakKib} KiB`);
});

test("300,000 files are sent within the memory limit", async ({ tree }) => {
  for (let folder = 0; folder < 300; folder++) {
    const path = join(tree.directory, `a-folder-of-a-project/with-many-files/${folder}`);
    mkdirSync(path, { recursive: true });
    for (let file = 0; file < 1000; file++) writeFileSync(join(path, `some-file-with-a-name-${file}.txt`), "");
  }
  const { peakKib, bytes, files, maxArchiveBytes } = await send(tree);
  assert.is(files, 300_000);
  assert.ok(bytes <= maxArchiveBytes, `${bytes} of ${maxArchiveBytes}`);
  assert.ok(peakKib < LIMIT_KIB, `${peakKib} KiB`);
});

test.run();
