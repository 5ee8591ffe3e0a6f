import { execFileSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { inputsOf } from "../../../../lib/recipe/inputs.ts";
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

test("a pattern may match nothing when another source of its instruction exists", async ({ tree }) => {
  tree.file("there.txt");
  const sources = async (...lines: string[]) => {
    const text = `FROM debian\n${lines.join("\n")}\n`;
    return tree.paths({ backend: "docker", inputs: inputsOf({ backend: "docker", text }) });
  };
  for (const line of [
    "COPY there.txt perhaps* /x/",
    "ADD perhaps* there.txt /x/",
    "COPY there.txt perhap? none[1] /x/",
    'COPY ["there.txt", "perhaps*", "/x/"]',
    "COPY there.txt none/*.txt none/**/x gone/$UNKNOWN /x/",
    "ENV N=none\nCOPY there.txt $N/*.x $N* /x/",
    "COPY there.txt /x/\nCOPY there.txt perhaps* /x/",
  ])
    assert.equal(await sources(line), [".", "./there.txt"], line);
  for (const [line, message] of [
    ["COPY perhaps* other* /x/", "line 2: COPY: perhaps* matches nothing"],
    ["COPY there.txt /x/\nADD perhaps* /x/", "line 3: ADD: perhaps* matches nothing"],
    ["COPY there.txt missing /x/", "line 2: COPY: missing does not exist"],
    ["COPY perhaps* none/missing /x/", "line 2: COPY: none/missing does not exist"],
    ["RUN --mount=source=none x", "line 2: RUN: none does not exist"],
  ] as const) {
    const text = `FROM debian\n${line}\n`;
    const inputs = inputsOf({ backend: "docker", text });
    assert.match((await tree.refused({ backend: "docker", inputs })).message, message, line);
  }
});

test("the ignore file of the recipe itself replaces those of the directory", async ({ tree }) => {
  for (const path of ["src/x", "secret"]) tree.file(path);
  tree.file(".dockerignore", "src\n");
  const ignoreFile = tree.file("build/Dockerfile.dockerignore", "secret\nbuild/Dockerfile\n");
  const all = [".", "./.dockerignore", "./build", "./build/Dockerfile.dockerignore", "./src", "./src/x"];
  assert.equal(await tree.paths({ ...copying("."), ignoreFile }), all);
  const refused = await tree.refused({ ...copying("secret"), ignoreFile });
  assert.match(refused.message, "is excluded by build/Dockerfile.dockerignore");
  assert.equal(await tree.paths({ backend: "docker", whole: true, ignoreFile }), all);
  tree.file(".cbignore", "build\n");
  assert.ok((await tree.paths({ backend: "docker", whole: true, ignoreFile })).includes("./secret"));
});

test("an ignore file outside of the directory is sent from its place", async ({ tree }) => {
  for (const path of ["src/x", "secret"]) tree.file(path);
  const ignoreFile = tree.file("../Dockerfile.dockerignore", "secret\n");
  assert.equal(await tree.paths({ ...copying("."), ignoreFile }), [
    ".",
    "./src",
    "./src/x",
    "TOP/home/Dockerfile.dockerignore",
  ]);
});

test("an ignore file that is a link is sent as its target, which must be in the directory or beside the link", async ({
  tree,
}) => {
  for (const path of ["src/x", "secret"]) tree.file(path);
  tree.file("shared/ignore", "secret\n");
  tree.link(".dockerignore", "shared/ignore");
  const followed = async (ignoreFile?: string) => {
    const { parts } = await tree.found({ ...copying("."), ...(ignoreFile === undefined ? {} : { ignoreFile }) });
    return parts.find(({ as }) => as === "followed")?.paths.length;
  };
  assert.is(await followed(), 1);
  assert.not.ok((await tree.paths(copying("."))).includes("./secret"));
  const outside = tree.file("../elsewhere/key", "secret\n");
  tree.link(".containerignore", outside);
  assert.match(
    (await tree.refused(copying("."))).message,
    /the ignore file \S+\.containerignore is a symbolic link that leads out of .*elsewhere\/key/,
  );
  tree.file("../recipes/D.ignore", "secret\n");
  tree.link("../recipes/D.dockerignore", "D.ignore");
  assert.is(await followed(join(tree.directory, "../recipes/D.dockerignore")), 1);
});

test("an ignore file that is a pipe, a folder or a loop of links is refused", async ({ tree }) => {
  tree.file("src/x");
  tree.link(".cbignore", ".cbignore");
  const loop = await tree.refused({ backend: "docker", inputs: [], whole: true });
  assert.match(loop.message, /cannot read \S+\.cbignore \(ELOOP\)/);
  execFileSync("mkfifo", [join(tree.directory, ".dockerignore")]);
  assert.match((await tree.refused(copying("src"))).message, ".dockerignore is no regular file");
  tree.file(".containerignore/x");
  assert.match((await tree.refused(copying("src"))).message, ".containerignore is no regular file");
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
