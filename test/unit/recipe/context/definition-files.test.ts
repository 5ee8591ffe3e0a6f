import { execFileSync } from "node:child_process";
import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { asUnprivilegedUser, ContextTree, fileInput } from "../../../support/recipe/context-tree.ts";

const test = suite<{ tree: ContextTree }>("definition files");

test.before.each((world) => {
  world.tree = new ContextTree();
});
test.after.each(({ tree }) => tree.remove());

const naming = (...paths: string[]) => ({ inputs: paths.map(fileInput) });

test("a recipe without inputs has no context; a folder is sent with its content and its parents", async ({ tree }) => {
  assert.is(await tree.find(), undefined);
  tree.file("a/b/c/file");
  tree.file("a/other");
  mkdirSync(join(tree.directory, "a/b/empty"));
  assert.equal(await tree.paths(naming("a/b")), [".", "./a", "./a/b", "./a/b/c", "./a/b/c/file", "./a/b/empty"]);
  const found = await tree.found(naming("a/b", "./a//b/", "a/b/c/file", "a/b"));
  assert.equal([found.files, found.bytes, found.notes], [1, "a/b/c/file".length, []]);
});

test("a path above the directory is sent, and the folders that its .. traverses", async ({ tree }) => {
  tree.file("../common/x");
  tree.file("sub/deep/y");
  const paths = await tree.paths(naming("../common/x", "sub/deep/../../../common", join(tree.top, "home/common")));
  assert.equal(paths, [".", "./sub", "./sub/deep", "TOP/home/common", "TOP/home/common/x"].sort());
});

test("a missing path is refused with the line of the recipe and the directory", async ({ tree }) => {
  const error = await tree.refused(naming("data/x.csv"));
  assert.is(error.kind, "usage");
  assert.is(error.message, `line 12: %files: data/x.csv does not exist in ${tree.directory}`);
  assert.match(error.hint ?? "", "the directory where you call");
  assert.is((await tree.refused(naming("/no/x"))).message, "line 12: %files: /no/x does not exist");
  tree.file("data/y.txt");
  assert.match((await tree.refused(naming("data/*.csv"))).message, "data/*.csv matches nothing in ");
  assert.match((await tree.refused(naming("data/y.txt/z"))).message, "does not exist");
});

test("a file that a script may make is sent if it exists, and noted if it does not", async ({ tree }) => {
  const maybeMade = (path: string) => ({ ...fileInput(path), mayBeMadeByScript: true as const });
  tree.file("here");
  const found = await tree.found({ inputs: [maybeMade("here"), maybeMade("gone"), maybeMade("her*")] });
  const { notes } = await tree.found({ inputs: [maybeMade("gone*")] });
  assert.match(notes.join(), `must make it: ${join(tree.directory, "gone*")}`);
  assert.is(found.files, 1);
  assert.equal(found.notes, [
    `1 file of the recipe does not exist here; the recipe's own script must make it: ${join(tree.directory, "gone")}`,
  ]);
});

test("patterns match as in a shell, in every part of the path", async ({ tree }) => {
  for (const path of ["a1/x.csv", "a1/.x.csv", "a2/y.csv", "b1/x.csv", "a3/z.txt", "*/literal.csv"]) tree.file(path);
  const matched = async (path: string) => (await tree.paths(naming(path))).filter((found) => /\.\w+$/.test(found));
  assert.equal(await matched("a?/*.csv"), ["./a1/x.csv", "./a2/y.csv"]);
  assert.equal(await matched("[!a*]?/*"), ["./b1/x.csv"]);
  assert.equal(await matched("a[1-2]/.*.csv"), ["./a1/.x.csv"]);
  const literal = { ...fileInput("*/literal.csv"), pattern: false };
  assert.ok((await tree.paths({ inputs: [literal] })).includes("./*/literal.csv"));
});

test("a named link, or a link among its parents, may lead anywhere and is sent as its target", async ({ tree }) => {
  tree.file("../outside/data/x", "outer");
  tree.link("named", "../outside/data/x");
  tree.link("folder", join(tree.top, "home/outside"));
  assert.equal(await tree.paths(naming("named", "folder/data/x")), [
    ".",
    "./folder",
    "./folder/data",
    "./folder/data/x",
    "./named",
  ]);
});

test("a link below a named folder is followed within the directory, and refused outside of it", async ({ tree }) => {
  tree.file("real/x", "inner");
  tree.link("sub/in", "../real");
  tree.link("sub/absolute", join(tree.directory, "real/x"));
  assert.equal(await tree.paths(naming("sub")), [".", "./sub", "./sub/absolute", "./sub/in", "./sub/in/x"]);
  tree.file("../secret/key");
  const out = tree.link("sub/out", "../../secret");
  const error = await tree.refused(naming("sub"));
  assert.is(error.kind, "usage");
  assert.is(error.message, `line 12: %files: ${out} is a symbolic link to ../../secret, outside of ${tree.directory}`);
  assert.match(error.hint ?? "", "name the link itself in %files");
  assert.ok((await tree.paths(naming("sub", "sub/out"))).includes("./sub/out/key"));
});

test("a link below a named folder may lead to any named path", async ({ tree }) => {
  tree.file("../software/lib/x.so.1");
  tree.file("../data/x");
  tree.link("../software/lib/x.so", "x.so.1");
  tree.link("../software/data", "../data/x");
  const software = join(tree.top, "home/software");
  const error = await tree.refused(naming(software));
  assert.match(error.message, "software/data is a symbolic link to ../data/x, outside of");
  const paths = await tree.paths(naming(software, "../data"));
  assert.ok(paths.includes("TOP/home/software/lib/x.so") && paths.includes("TOP/home/software/data"), paths.join());
});

test("a link to a sibling with the directory's name as prefix leads outside", async ({ tree }) => {
  tree.file("../project-secret/key");
  tree.link("sub/out", "../../project-secret/key");
  assert.match((await tree.refused(naming("sub"))).message, "outside of");
});

test("dangling links and loops of links are refused", async ({ tree }) => {
  tree.link("named", "nothing");
  assert.match((await tree.refused(naming("named"))).message, "is a symbolic link to nothing, which does not exist");
  tree.link("sub/dangling", "nothing");
  assert.match((await tree.refused(naming("sub"))).message, "sub/dangling is a symbolic link to nothing");
  tree.link("self", "self");
  assert.match((await tree.refused(naming("self"))).message, "which does not exist");
  tree.link("circle/a/up", "../..");
  assert.match((await tree.refused(naming("circle"))).message, "a folder that contains the link");
  tree.link("pair/a/b", "../b");
  tree.link("pair/b/a", "../a");
  assert.match((await tree.refused(naming("pair"))).message, "a folder that contains the link");
});

test("a path with .. after a link is refused, because the builder would resolve it differently", async ({ tree }) => {
  tree.file("../outside/deep/x");
  tree.file("../outside/y");
  tree.file("y", "another");
  tree.link("link", "../outside/deep");
  assert.match((await tree.refused(naming("link/../y"))).message, "has .. after a symbolic link");
});

test("pipes below a folder are not sent and noted; a named pipe is refused", async ({ tree }) => {
  tree.file("sub/x");
  execFileSync("mkfifo", [join(tree.directory, "sub/pipe"), join(tree.directory, "sub/pipe2")]);
  const found = await tree.found(naming("sub"));
  assert.is(found.files, 1);
  assert.match(found.notes.join(), /^2 sockets, pipes or devices are not sent, the first: .*sub\/pipe2?$/);
  assert.match((await tree.refused(naming("sub/pipe"))).message, "is neither a file nor a folder");
});

test("the folder of a localimage keeps its links, and may itself be a link", async ({ tree }) => {
  tree.file("../system/bin/sh");
  tree.link("../system/sh", "/bin/sh");
  tree.link("../system/gone", "/nowhere");
  tree.link("base", "../system");
  const input = { ...fileInput("base"), links: "keep" as const };
  const found = await tree.found({ inputs: [input] });
  assert.equal(
    found.parts.map((part) => part.as),
    ["stored", "followed"],
  );
  await tree.send(found);
  assert.is(execFileSync("readlink", [tree.mirrored("base/sh")], { encoding: "utf8" }), "/bin/sh\n");
  assert.is(execFileSync("cat", [tree.mirrored("base/bin/sh")], { encoding: "utf8" }), "../system/bin/sh");
});

test("an unreadable file or folder is refused before anything is sent", async ({ tree }) => {
  const file = tree.file("sub/closed");
  chmodSync(tree.top, 0o755);
  chmodSync(file, 0o000);
  mkdirSync(join(tree.directory, "folder/closed"), { recursive: true });
  writeFileSync(join(tree.directory, "folder/closed/x"), "");
  chmodSync(join(tree.directory, "folder/closed"), 0o000);
  await asUnprivilegedUser(async () => {
    for (const path of ["sub", "sub/closed"]) {
      assert.is((await tree.refused(naming(path))).message, `cannot read ${file} (EACCES)`);
    }
    for (const path of ["folder", "folder/closed", "folder/closed/x"]) {
      assert.match((await tree.refused(naming(path))).message, /^cannot read .*folder\/closed(\/x)? \(EACCES\)$/);
    }
    assert.match((await tree.refused({ whole: true })).message, "cannot read");
  });
});

test.run();
