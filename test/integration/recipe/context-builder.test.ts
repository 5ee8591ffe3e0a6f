/** Unpacks a packed context with the tar of a builder, as root of a user namespace. */
import { execFileSync } from "node:child_process";
import { chmodSync, chownSync, createWriteStream, mkdirSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { build } from "esbuild";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { runInSandbox } from "../../../lib/provider/sandbox/run.ts";
import { packContext } from "../../../lib/recipe/context/pack.ts";
import { ContextTree, fileInput } from "../../support/recipe/context-tree.ts";
import { testRootfs } from "../../support/rootfs.ts";

const test = suite<{ tree: ContextTree }>("context on a builder");

test.before.each((world) => {
  world.tree = new ContextTree();
});
test.after.each(({ tree }) => tree.remove());

/**
 * The content of the folder `sub` after unpacking: one line per entry with owner, mode, blocks, time, link target and
 * name.
 */
async function unpacked(tree: ContextTree): Promise<string[]> {
  const context = await tree.found({ inputs: [fileInput("sub")], whole: true });
  const shared = join(tree.top, "shared");
  mkdirSync(shared, { recursive: true });
  await pipeline(packContext(context), createWriteStream(join(shared, "context.tar")));
  const outfile = join(shared, "unpack.mjs");
  const entryPoints = [new URL("../../support/recipe/unpack-child.ts", import.meta.url).pathname];
  await build({ entryPoints, outfile, bundle: true, platform: "node", format: "esm", logLevel: "error" });
  writeFileSync(
    join(shared, "run.sh"),
    `mkdir /root/mirror && node /shared/unpack.mjs /shared/context.tar /root/mirror ${context.highestId} &&
     cd /root/mirror${tree.directory}/sub && TZ=UTC find . -printf '%U:%G %m %k %TT %l %p\\n' | sort -k 5`,
  );
  execFileSync("chmod", ["-R", "a+rX", tree.top]);
  const { stdout, stderr, code } = await runInSandbox({
    rootfs: await testRootfs(),
    command: ["bash", "/shared/run.sh"],
    binds: [{ from: shared, to: "/shared" }],
    stdio: "pipe",
  });
  assert.is(code, 0, stderr);
  return stdout.trim().split("\n");
}

function fill(tree: ContextTree, owner: number): void {
  const file = tree.file("sub/tool");
  chownSync(file, owner, owner);
  chmodSync(file, 0o4755);
  execFileSync("touch", ["-d", "2001-02-03 04:05:06.123456789 UTC", file]);
  truncateSync(tree.file("sub/sparse", ""), 1024 ** 3);
  chmodSync(join(tree.directory, "sub"), 0o1755);
  tree.link("link", "sub/tool");
}

test("unpacking restores owners, modes, times and holes", async ({ tree }) => {
  fill(tree, 1234);
  const lines = (await unpacked(tree)).join("\n");
  assert.match(lines, /^1234:1234 4755 \d+ 04:05:06.1234567890 +\.\/tool$/m);
  assert.match(lines, /^0:0 1755 .* \.$/m);
  assert.match(lines, /^0:0 644 [0-8] .* \.\/sparse$/m);
});

test("root owns all files when an owner is not mapped in the user namespace; modes and times are kept", async ({
  tree,
}) => {
  fill(tree, 3_000_000);
  tree.file("sub/other");
  chownSync(join(tree.directory, "sub/other"), 1234, 1234);
  const lines = (await unpacked(tree)).join("\n");
  assert.match(lines, /^0:0 4755 \d+ 04:05:06.1234567890 +\.\/tool$/m);
  assert.match(lines, /^0:0 .* \.\/other$/m);
});

test.run();
