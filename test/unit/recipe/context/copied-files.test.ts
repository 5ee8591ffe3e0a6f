import { execFileSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { ContextTree, copyInput } from "../../../support/recipe/context-tree.ts";

const test = suite<{ tree: ContextTree }>("copied files");

test.before.each((world) => {
  world.tree = new ContextTree();
});
test.after.each(({ tree }) => tree.remove());

const copying = (...paths: string[]) => ({ backend: "docker" as const, inputs: paths.map(copyInput) });

test("COPY takes / for the directory, and sends links below a folder as links", async ({ tree }) => {
  tree.file("src/x");
  tree.link("src/out", "/etc/passwd");
  tree.link("src/gone", "nowhere");
  const found = await tree.found(copying("/src/"));
  assert.equal(await tree.paths(copying("/src/")), [".", "./src", "./src/gone", "./src/out", "./src/x"]);
  assert.equal(
    found.parts.map((part) => part.as),
    ["stored"],
  );
});

test("a named link is sent with all links that lead to its target, and the target", async ({ tree }) => {
  tree.file("real/deep/x");
  tree.link("first", "sub/second/x");
  tree.link("sub/second", "/real/deep");
  assert.equal(await tree.paths(copying("first")), [
    ".",
    "./first",
    "./real",
    "./real/deep",
    "./real/deep/x",
    "./sub",
    "./sub/second",
  ]);
});

test("a path that leaves the directory by .. or by a link is refused", async ({ tree }) => {
  tree.file("../outside/x");
  const dots = await tree.refused(copying("../outside/x"));
  assert.is(dots.kind, "usage");
  assert.match(dots.message, `line 3: COPY: ${join(tree.top, "home/outside/x")} is outside of ${tree.directory}`);
  const link = tree.link("link", "../outside/x");
  assert.match((await tree.refused(copying("link"))).message, `${link} is a symbolic link to ../outside/x`);
  tree.link("absolute", join(tree.top, "home/outside/x"));
  assert.match((await tree.refused(copying("absolute"))).message, "leads to no file in");
  tree.link("round", "round");
  assert.match((await tree.refused(copying("round"))).message, "leads to no file in");
});

test("a missing path and a pipe are refused with the line of the recipe", async ({ tree }) => {
  assert.is(
    (await tree.refused(copying("data/x"))).message,
    `line 3: COPY: data/x does not exist in ${tree.directory}`,
  );
  assert.match((await tree.refused(copying("*.csv"))).message, "*.csv matches nothing");
  execFileSync("mkfifo", [join(tree.directory, "pipe")]);
  assert.match((await tree.refused(copying("pipe"))).message, "neither a file nor a folder");
});

test("patterns match dot files, and ** any depth", async ({ tree }) => {
  for (const path of [".a.txt", "b.txt", "x/y/c.txt", "x/d.md"]) tree.file(path);
  assert.equal(await tree.paths(copying("*.txt")), [".", "./.a.txt", "./b.txt"]);
  assert.equal(await tree.paths(copying("**/*.txt")), [".", "./.a.txt", "./b.txt", "./x", "./x/y", "./x/y/c.txt"]);
});

test("paths in the ignore file are not sent, but the ignore file is", async ({ tree }) => {
  for (const path of ["src/x", "src/x.log", "src/cache/a", "src/cache/keep", "secret/key"]) tree.file(path);
  mkdirSync(join(tree.directory, "src/empty"));
  tree.file(".dockerignore", "**/*.log\nsrc/cache\n!src/cache/keep\nsecret\n");
  const all = [".", "./.dockerignore", "./src", "./src/cache/keep", "./src/empty", "./src/x"];
  assert.equal(await tree.paths(copying("src")), all);
  assert.equal(await tree.paths(copying(".")), all);
  const error = await tree.refused(copying("secret"));
  assert.match(error.message, "secret is excluded by .dockerignore");
  tree.file(".containerignore", "src\n");
  assert.match((await tree.refused(copying("src"))).message, "excluded by .containerignore");
  assert.ok((await tree.paths(copying("secret"))).includes("./.containerignore"));
});

test.run();
