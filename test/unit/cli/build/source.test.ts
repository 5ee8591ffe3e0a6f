/** RECIPE as a file, a folder, standard input's place, an image and a source. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { readSource } from "../../../../lib/cli/build/source.ts";
import { CbError } from "../../../../lib/core/errors.ts";
import { rejection } from "../../../support/rejection.ts";

const test = suite<{ folder: string }>("source");

test.before.each((world) => {
  world.folder = mkdtempSync(join(tmpdir(), "cb-source-"));
});
test.after.each(({ folder }) => rmSync(folder, { recursive: true, force: true }));

async function refusal(call: Promise<unknown>): Promise<CbError> {
  const error = await rejection(call);
  if (error instanceof CbError && error.kind === "usage") return error;
  throw error;
}

const write = (folder: string, name: string, text: string | Buffer = "FROM x\n"): string => {
  writeFileSync(join(folder, name), text);
  return join(folder, name);
};

test("a folder is the context of the one recipe in it, and a note says which", async ({ folder }) => {
  const path = write(folder, "Dockerfile");
  write(folder, "Dockerfile.dockerignore", "*\n");
  const { recipe, directory, notes } = await readSource(folder, {});
  assert.equal([recipe.backend, directory, recipe.ignoreFile], ["docker", folder, `${path}.dockerignore`]);
  assert.equal(notes, [`${folder} is a folder: its recipe is ${path}, and relative paths start in ${folder}`]);
});

test("a folder with several recipes, or none, is refused with a way to name one; --backend selects", async ({
  folder,
}) => {
  const { message, hint } = await refusal(readSource(folder, {}));
  assert.match(message, "neither a Dockerfile nor a definition file");
  assert.match(hint ?? "", "name the recipe itself");
  write(folder, "Containerfile");
  const path = write(folder, "b.def", "Bootstrap: scratch\n");
  const several = await refusal(readSource(folder, {}));
  assert.match(several.message, "several recipes: Containerfile, b.def");
  assert.match(several.hint ?? "", `--file ${folder}/Containerfile ${folder}`);
  assert.is((await readSource(folder, { backend: "singularity" })).path, path);
  write(folder, "a.def");
  await refusal(readSource(folder, { backend: "singularity" }));
});

test("a folder with the file system of an image is refused with the source to write", async ({ folder }) => {
  mkdirSync(join(folder, ".singularity.d"));
  assert.match((await refusal(readSource(folder, {}))).hint ?? "", `write localimage:${folder}`);
});

test("--file is the recipe, with a folder in the place of RECIPE or without", async ({ folder }) => {
  const path = write(folder, "Other");
  mkdirSync(join(folder, "context"));
  const both = await readSource(join(folder, "context"), { file: path });
  assert.equal([both.path, both.directory], [path, join(folder, "context")]);
  const alone = await readSource(undefined, { file: path });
  assert.equal([alone.path, alone.directory], [path, undefined]);
  assert.is((await readSource(undefined, { file: path, context: folder })).directory, folder);
  assert.match((await refusal(readSource(path, { file: path }))).message, "are two recipes");
  assert.match(
    (await refusal(readSource(join(folder, "context"), { file: path, context: folder }))).message,
    "two folders",
  );
  assert.match((await refusal(readSource(undefined, {}))).message, "missing required argument 'recipe'");
});

test("an image file is a base image by its absolute path, and an archive is refused with the source to write", async ({
  folder,
}) => {
  const sif = Buffer.alloc(64);
  sif.write("SIF_MAGIC", 32);
  const image = write(folder, "a.sif", sif);
  const { recipe, path } = await readSource(image, {});
  assert.equal(
    [recipe, path],
    [{ backend: "singularity", text: `Bootstrap: localimage\nFrom: ${image}\n` }, undefined],
  );
  const tar = Buffer.alloc(512);
  tar.write("ustar", 257);
  for (const bytes of [tar, Buffer.from([0x1f, 0x8b, 8, 0])]) {
    const archive = write(folder, "a.tar", bytes);
    assert.match((await refusal(readSource(archive, {}))).hint ?? "", `docker-archive:${archive}`);
  }
});

test("a source is a definition file, for which --context counts and --backend docker does not", async ({ folder }) => {
  const { recipe, directory, shown } = await readSource("oci-archive:a.tar:tag", { context: folder });
  assert.equal(recipe, { backend: "singularity", text: "Bootstrap: oci-archive\nFrom: a.tar:tag\n" });
  assert.equal([directory, shown], [folder, "oci-archive:a.tar:tag"]);
  assert.match((await refusal(readSource("docker://x", { backend: "docker" }))).message, "is no Dockerfile");
});

test("a file with a colon in its name is a file, and the name of an image is refused with the source to write", async ({
  folder,
}) => {
  const path = write(folder, "docker:x");
  assert.is((await readSource(path, {})).recipe.backend, "docker");
  assert.match((await refusal(readSource("debian:12", {}))).hint ?? "", "write docker://debian:12");
  assert.match((await refusal(readSource(join(folder, "none.def"), {}))).message, "it does not exist");
});

test.run();
