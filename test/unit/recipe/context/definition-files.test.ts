import { execFileSync } from "node:child_process";
import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { asNobody, ContextTree, fileWant } from "../../../support/recipe/context-tree.ts";

const test = suite<{ tree: ContextTree }>("definition files");

test.before.each((world) => {
  world.tree = new ContextTree();
});
test.after.each(({ tree }) => tree.remove());

const wants = (...paths: string[]) => ({ wants: paths.map(fileWant) });

test("nothing wanted is no context, and a folder comes with all below it and the folders above it", async ({
  tree,
}) => {
  assert.is(await tree.find(), undefined);
  tree.file("a/b/c/file");
  tree.file("a/other");
  mkdirSync(join(tree.directory, "a/b/empty"));
  assert.equal(await tree.paths(wants("a/b")), [".", "./a", "./a/b", "./a/b/c", "./a/b/c/file", "./a/b/empty"]);
  const found = await tree.found(wants("a/b", "./a//b/", "a/b/c/file", "a/b"));
  assert.equal([found.files, found.bytes, found.notes], [1, "a/b/c/file".length, []]);
});

test("what is wanted above the directory, and the folders that .. goes through, come too", async ({ tree }) => {
  tree.file("../common/x");
  tree.file("sub/deep/y");
  const paths = await tree.paths(wants("../common/x", "sub/deep/../../../common", join(tree.top, "home/common")));
  assert.equal(paths, [".", "./sub", "./sub/deep", "TOP/home/common", "TOP/home/common/x"].sort());
});

test("what does not exist is named with its line, and where it was looked for", async ({ tree }) => {
  const error = await tree.refused(wants("data/x.csv"));
  assert.is(error.kind, "usage");
  assert.is(error.message, `line 12: %files: data/x.csv does not exist in ${tree.directory}`);
  assert.match(error.hint ?? "", "the directory in which you call");
  assert.is((await tree.refused(wants("/no/x"))).message, "line 12: %files: /no/x does not exist");
  tree.file("data/y.txt");
  assert.match((await tree.refused(wants("data/*.csv"))).message, "data/*.csv matches nothing in ");
  assert.match((await tree.refused(wants("data/y.txt/z"))).message, "does not exist");
});

test("what a script of the recipe may make is sent if it is there, and noted if it is not", async ({ tree }) => {
  const perhaps = (path: string) => ({ ...fileWant(path), perhapsMade: true as const });
  tree.file("here");
  const found = await tree.found({ wants: [perhaps("here"), perhaps("gone")] });
  assert.is(found.files, 1);
  assert.equal(found.notes, [
    `1 file is not here, and left to the recipe's own script to make: ${join(tree.directory, "gone")}`,
  ]);
});

test("patterns match as in a shell, in every part of the path", async ({ tree }) => {
  for (const path of ["a1/x.csv", "a1/.x.csv", "a2/y.csv", "b1/x.csv", "a3/z.txt", "*/literal.csv"]) tree.file(path);
  const matched = async (path: string) => (await tree.paths(wants(path))).filter((found) => /\.\w+$/.test(found));
  assert.equal(await matched("a?/*.csv"), ["./a1/x.csv", "./a2/y.csv"]);
  assert.equal(await matched("[!a*]?/*"), ["./b1/x.csv"]);
  assert.equal(await matched("a[1-2]/.*.csv"), ["./a1/.x.csv"]);
  const literal = { ...fileWant("*/literal.csv"), pattern: false };
  assert.ok((await tree.paths({ wants: [literal] })).includes("./*/literal.csv"));
});

test("a named link, or one among its parents, may lead anywhere and arrives as what it leads to", async ({ tree }) => {
  tree.file("../outside/data/x", "outer");
  tree.link("named", "../outside/data/x");
  tree.link("folder", join(tree.top, "home/outside"));
  assert.equal(await tree.paths(wants("named", "folder/data/x")), [
    ".",
    "./folder",
    "./folder/data",
    "./folder/data/x",
    "./named",
  ]);
});

test("a link below a named folder is followed within the directory, and refused where it leads out", async ({
  tree,
}) => {
  tree.file("real/x", "inner");
  tree.link("sub/in", "../real");
  tree.link("sub/absolute", join(tree.directory, "real/x"));
  assert.equal(await tree.paths(wants("sub")), [".", "./sub", "./sub/absolute", "./sub/in", "./sub/in/x"]);
  tree.file("../secret/key");
  const out = tree.link("sub/out", "../../secret");
  const error = await tree.refused(wants("sub"));
  assert.is(error.kind, "usage");
  assert.is(error.message, `line 12: %files: ${out} is a symbolic link to ../../secret, out of ${tree.directory}`);
  assert.match(error.hint ?? "", "name the link in %files itself");
  assert.ok((await tree.paths(wants("sub", "sub/out"))).includes("./sub/out/key"));
});

test("a link below a named folder may lead to what is named, wherever that is", async ({ tree }) => {
  tree.file("../software/lib/x.so.1");
  tree.file("../data/x");
  tree.link("../software/lib/x.so", "x.so.1");
  tree.link("../software/data", "../data/x");
  const software = join(tree.top, "home/software");
  const error = await tree.refused(wants(software));
  assert.match(error.message, "software/data is a symbolic link to ../data/x, out of");
  const paths = await tree.paths(wants(software, "../data"));
  assert.ok(paths.includes("TOP/home/software/lib/x.so") && paths.includes("TOP/home/software/data"), paths.join());
});

test("a link to a neighbour whose name begins like the directory's leads out", async ({ tree }) => {
  tree.file("../project-secret/key");
  tree.link("sub/out", "../../project-secret/key");
  assert.match((await tree.refused(wants("sub"))).message, "out of");
});

test("links that lead nowhere or round in a circle are refused", async ({ tree }) => {
  tree.link("named", "nothing");
  assert.match((await tree.refused(wants("named"))).message, "is a symbolic link to nothing, which does not exist");
  tree.link("sub/dangling", "nothing");
  assert.match((await tree.refused(wants("sub"))).message, "sub/dangling is a symbolic link to nothing");
  tree.link("self", "self");
  assert.match((await tree.refused(wants("self"))).message, "which does not exist");
  tree.link("circle/a/up", "../..");
  assert.match((await tree.refused(wants("circle"))).message, "a folder that it is in");
  tree.link("pair/a/b", "../b");
  tree.link("pair/b/a", "../a");
  assert.match((await tree.refused(wants("pair"))).message, "a folder that it is in");
});

test("a path that goes back by .. behind a link is refused: on the builder it would lead elsewhere", async ({
  tree,
}) => {
  tree.file("../outside/deep/x");
  tree.file("../outside/y");
  tree.file("y", "another");
  tree.link("link", "../outside/deep");
  assert.match((await tree.refused(wants("link/../y"))).message, "goes back by ..");
});

test("pipes are left out below a folder with a note, and refused by name", async ({ tree }) => {
  tree.file("sub/x");
  execFileSync("mkfifo", [join(tree.directory, "sub/pipe"), join(tree.directory, "sub/pipe2")]);
  const found = await tree.found(wants("sub"));
  assert.is(found.files, 1);
  assert.match(found.notes.join(), /^2 sockets, pipes or devices are left out, the first: .*sub\/pipe2?$/);
  assert.match((await tree.refused(wants("sub/pipe"))).message, "is neither a file nor a folder");
});

test("the folder of a localimage keeps its links, and may itself be a link", async ({ tree }) => {
  tree.file("../system/bin/sh");
  tree.link("../system/sh", "/bin/sh");
  tree.link("../system/gone", "/nowhere");
  tree.link("base", "../system");
  const want = { ...fileWant("base"), links: "keep" as const };
  const found = await tree.found({ wants: [want] });
  assert.equal(
    found.parts.map((part) => part.as),
    ["stored", "followed"],
  );
  await tree.send(found);
  assert.is(execFileSync("readlink", [tree.mirrored("base/sh")], { encoding: "utf8" }), "/bin/sh\n");
  assert.is(execFileSync("cat", [tree.mirrored("base/bin/sh")], { encoding: "utf8" }), "../system/bin/sh");
});

test("what cannot be read is named before anything is sent", async ({ tree }) => {
  const file = tree.file("sub/closed");
  chmodSync(tree.top, 0o755);
  chmodSync(file, 0o000);
  mkdirSync(join(tree.directory, "folder/closed"), { recursive: true });
  writeFileSync(join(tree.directory, "folder/closed/x"), "");
  chmodSync(join(tree.directory, "folder/closed"), 0o000);
  await asNobody(async () => {
    for (const path of ["sub", "sub/closed"]) {
      assert.is((await tree.refused(wants(path))).message, `cannot read ${file} (EACCES)`);
    }
    for (const path of ["folder", "folder/closed", "folder/closed/x"]) {
      assert.match((await tree.refused(wants(path))).message, /^cannot read .*folder\/closed(\/x)? \(EACCES\)$/);
    }
    assert.match((await tree.refused({ whole: true })).message, "cannot read");
  });
});

test.run();
