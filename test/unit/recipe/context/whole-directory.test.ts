import { execFileSync } from "node:child_process";
import { chmodSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { findContext } from "../../../../lib/recipe/context/find.ts";
import { asUnprivilegedUser, ContextTree, copyInput, fileInput } from "../../../support/recipe/context-tree.ts";

const test = suite<{ tree: ContextTree }>("whole directory");

test.before.each((world) => {
  world.tree = new ContextTree();
});
test.after.each(({ tree }) => tree.remove());

test("the whole directory is sent except ignored paths, plus the inputs of the recipe", async ({ tree }) => {
  for (const path of ["a/x", "a/y.log", ".git/config", "big/data", "big/more/data"]) tree.file(path);
  tree.file(".dockerignore", "a\n");
  tree.file(".cbignore", "**/*.log\n.git\nbig\n");
  const plain = [".", "./.cbignore", "./.dockerignore", "./a", "./a/x"];
  assert.equal(await tree.paths({ whole: true }), plain);
  const withInputs = await tree.paths({ whole: true, inputs: [fileInput("big/more"), fileInput("a")] });
  assert.equal(withInputs, [...plain, "./a/y.log", "./big", "./big/more", "./big/more/data"].sort());
});

test("without .cbignore the other ignore files count, and ! re-includes a file below an ignored folder", async ({
  tree,
}) => {
  for (const path of ["a/x", "a/deep/keep", "a/deep/not", "b/x"]) tree.file(path);
  tree.file(".dockerignore", "*\n!a/deep/keep\n");
  assert.equal(await tree.paths({ whole: true }), [".", "./a/deep/keep"]);
});

test("an older image at the build's image path is not sent, unless the recipe names it", async ({ tree }) => {
  for (const path of ["a", "out/image.sif"]) tree.file(path);
  const imagePath = join(tree.directory, "out/image.sif");
  assert.equal(await tree.paths({ whole: true, imagePath }), [".", "./a", "./out"]);
  const withInputs = await tree.paths({ whole: true, imagePath, inputs: [fileInput("out/image.sif")] });
  assert.equal(withInputs, [".", "./a", "./out", "./out/image.sif"]);
});

test("an ignored folder is never opened", async ({ tree }) => {
  tree.file("x");
  tree.file("ignored/x");
  chmodSync(tree.top, 0o755);
  chmodSync(join(tree.directory, "ignored"), 0o000);
  await asUnprivilegedUser(async () => {
    assert.match((await tree.refused({ whole: true })).message, "cannot read");
  });
  tree.file(".cbignore", "ignored\n");
  await asUnprivilegedUser(async () => {
    assert.equal(await tree.paths({ whole: true }), [".", "./.cbignore", "./x"]);
  });
});

test("links are sent as links, and those that are broken on the builder are noted", async ({ tree }) => {
  tree.file("real/x");
  tree.link("in", "real");
  tree.link("absolute", join(tree.directory, "real"));
  tree.link("out", "/etc");
  tree.link("out2", "../project-secret");
  tree.file("../project-secret/key");
  tree.link("gone", "nowhere");
  execFileSync("mkfifo", [join(tree.directory, "pipe")]);
  const found = await tree.found({ whole: true });
  assert.equal([found.files, found.parts.length], [1, 1]);
  const notes = found.notes.join("\n");
  assert.match(notes, /^2 links lead out of the directory .* the first: .*\/out2? -> /m);
  assert.match(notes, /^1 absolute link is sent unchanged .*: .*\/absolute -> \//m);
  assert.match(notes, /^1 link has no target: .*\/gone -> nowhere$/m);
  assert.match(notes, /^1 socket, pipe or device is not sent: .*\/pipe$/m);
  assert.is(found.notes.length, 4);
});

test("a link that the recipe names is sent as its target, and other links as links", async ({ tree }) => {
  tree.file("../outside/x", "outer");
  tree.file("real/x", "inner");
  tree.link("named", "../outside");
  tree.link("kept", "real");
  const found = await tree.found({ whole: true, inputs: [fileInput("named/x"), fileInput("real")] });
  await tree.send(found);
  const show = (path: string) => execFileSync("stat", ["-c", "%F", tree.mirrored(path)], { encoding: "utf8" }).trim();
  assert.equal(["named", "named/x", "kept", "real/x"].map(show), [
    "directory",
    "regular file",
    "symbolic link",
    "regular file",
  ]);
});

test("a Dockerfile's ignore file filters COPY, and is sent although .cbignore lists it", async ({ tree }) => {
  for (const path of ["src/x", "src/y", "other/z"]) tree.file(path);
  tree.file(".cbignore", "*\n");
  tree.file(".dockerignore", "src/y\n");
  const paths = await tree.paths({ backend: "docker", whole: true, inputs: [copyInput("src")] });
  assert.equal(paths, [".", "./.dockerignore", "./src", "./src/x"]);
});

test("a missing directory is refused, and an abort ends the search", async ({ tree }) => {
  assert.match((await tree.refused({ directory: "/no/such", whole: true })).message, "/no/such is no directory");
  tree.file("x");
  const options = { directory: tree.directory, backend: "singularity", inputs: [], whole: true } as const;
  const aborted = await findContext(options, AbortSignal.abort("stop")).catch((reason: unknown) => reason);
  assert.is(aborted, "stop");
});

test.run();
