import { execFileSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { ContextTree, copyWant } from "../../../support/recipe/context-tree.ts";

const test = suite<{ tree: ContextTree }>("copied files");

test.before.each((world) => {
  world.tree = new ContextTree();
});
test.after.each(({ tree }) => tree.remove());

const wants = (...paths: string[]) => ({ backend: "docker" as const, wants: paths.map(copyWant) });

test("COPY means the directory by / too, and links below a folder are sent as they are", async ({ tree }) => {
  tree.file("src/x");
  tree.link("src/out", "/etc/passwd");
  tree.link("src/gone", "nowhere");
  const found = await tree.found(wants("/src/"));
  assert.equal(await tree.paths(wants("/src/")), [".", "./src", "./src/gone", "./src/out", "./src/x"]);
  assert.equal(
    found.parts.map((part) => part.as),
    ["stored"],
  );
});

test("a named link comes with every link on its way and with what it leads to", async ({ tree }) => {
  tree.file("real/deep/x");
  tree.link("first", "sub/second/x");
  tree.link("sub/second", "/real/deep");
  assert.equal(await tree.paths(wants("first")), [
    ".",
    "./first",
    "./real",
    "./real/deep",
    "./real/deep/x",
    "./sub",
    "./sub/second",
  ]);
});

test("what is out of the directory, by .. or by a link, is refused", async ({ tree }) => {
  tree.file("../outside/x");
  const dots = await tree.refused(wants("../outside/x"));
  assert.is(dots.kind, "usage");
  assert.match(dots.message, `line 3: COPY: ${join(tree.top, "home/outside/x")} is out of ${tree.directory}`);
  const link = tree.link("link", "../outside/x");
  assert.match((await tree.refused(wants("link"))).message, `${link} is a symbolic link to ../outside/x`);
  tree.link("absolute", join(tree.top, "home/outside/x"));
  assert.match((await tree.refused(wants("absolute"))).message, "leads to nothing in");
  tree.link("round", "round");
  assert.match((await tree.refused(wants("round"))).message, "leads to nothing in");
});

test("what is missing, and what is no file, is refused with its line", async ({ tree }) => {
  assert.is((await tree.refused(wants("data/x"))).message, `line 3: COPY: data/x does not exist in ${tree.directory}`);
  assert.match((await tree.refused(wants("*.csv"))).message, "*.csv matches nothing");
  execFileSync("mkfifo", [join(tree.directory, "pipe")]);
  assert.match((await tree.refused(wants("pipe"))).message, "neither a file nor a folder");
});

test("patterns match dot files, and ** any depth", async ({ tree }) => {
  for (const path of [".a.txt", "b.txt", "x/y/c.txt", "x/d.md"]) tree.file(path);
  assert.equal(await tree.paths(wants("*.txt")), [".", "./.a.txt", "./b.txt"]);
  assert.equal(await tree.paths(wants("**/*.txt")), [".", "./.a.txt", "./b.txt", "./x", "./x/y", "./x/y/c.txt"]);
});

test("the ignore file leaves out what COPY would pass over, and comes along", async ({ tree }) => {
  for (const path of ["src/x", "src/x.log", "src/cache/a", "src/cache/keep", "secret/key"]) tree.file(path);
  mkdirSync(join(tree.directory, "src/empty"));
  tree.file(".dockerignore", "**/*.log\nsrc/cache\n!src/cache/keep\nsecret\n");
  const all = [".", "./.dockerignore", "./src", "./src/cache/keep", "./src/empty", "./src/x"];
  assert.equal(await tree.paths(wants("src")), all);
  assert.equal(await tree.paths(wants(".")), all);
  const error = await tree.refused(wants("secret"));
  assert.match(error.message, "secret is left out by .dockerignore");
  tree.file(".containerignore", "src\n");
  assert.match((await tree.refused(wants("src"))).message, "left out by .containerignore");
  assert.ok((await tree.paths(wants("secret"))).includes("./.containerignore"));
});

test.run();
