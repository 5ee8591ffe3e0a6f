import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { type InputCall, readInput } from "../../../../lib/cli/build/build-input.ts";
import { dryRunText } from "../../../../lib/cli/build/dry-run.ts";
import { CbError } from "../../../../lib/core/errors.ts";
import { rejection } from "../../../support/rejection.ts";

const test = suite<{ folder: string }>("build input");

test.before.each((world) => {
  world.folder = mkdtempSync(join(tmpdir(), "cb-input-"));
});
test.after.each(({ folder }) => rmSync(folder, { recursive: true, force: true }));

async function refusal(call: Promise<unknown>): Promise<CbError> {
  const error = await rejection(call);
  if (error instanceof CbError && error.kind === "usage") return error;
  throw error;
}

function input(folder: string, text: string, options: InputCall["options"], environment = {}) {
  writeFileSync(join(folder, "R"), text);
  return readInput({ named: join(folder, "R"), options, environment });
}

const DEFINITION = "Bootstrap: scratch\n%arguments\n  B={{ C }}\n%post\n  echo {{ A }} {{ B }}\n";
const DOCKERFILE = "FROM x\nARG A\nARG B=1 C\n";

test("values come from the file, then the command line, then the environment for a name without a value", async ({
  folder,
}) => {
  const buildArgFile = join(folder, "args");
  writeFileSync(buildArgFile, "# comment\n\n A = of the file \r\nB=x=y\n");
  const { recipe } = await input(folder, DOCKERFILE, { buildArgFile, buildArg: ["A=", "C"] }, { C: "of the caller" });
  assert.equal(recipe.buildArgs, { A: "", B: "x=y", C: "of the caller" });
  const unset = await input(folder, DOCKERFILE, { buildArg: ["A"] });
  assert.is(unset.recipe.buildArgs, undefined);
  assert.match(unset.notes[0] ?? "", "you have no environment variable A");
});

test("a line that is no argument is refused with its number, and so is a name that no argument can have", async ({
  folder,
}) => {
  const buildArgFile = join(folder, "args");
  writeFileSync(buildArgFile, "A=1\nB\n");
  const { message } = await refusal(input(folder, DOCKERFILE, { buildArgFile }));
  assert.is(message, `line 2 of ${buildArgFile} is not NAME=VALUE`);
  for (const text of ["=1", "1A=1", "A-B=1", ""]) await refusal(input(folder, DOCKERFILE, { buildArg: [text] }));
});

test("an argument that the recipe does not use ends the call, with the one that was meant", async ({ folder }) => {
  const definition = await refusal(input(folder, DEFINITION, { buildArg: ["A=1", "C=2", "AA=3"] }));
  assert.match(definition.message, "R does not use the build argument AA");
  assert.match(definition.hint ?? "", "the recipe needs {{ AA }}; --warn-unused-build-args builds without");
  const dockerfile = await refusal(input(folder, "FROM x\nARG VERSION\n", { buildArg: ["VERSOIN=1"] }));
  assert.match(dockerfile.hint ?? "", "did you mean VERSION? the recipe needs a line ARG VERSOIN");
});

test("--warn-unused-build-args leaves it out with a note", async ({ folder }) => {
  const options = { buildArg: ["A=1", "X=2"], warnUnusedBuildArgs: true };
  const { recipe, notes } = await input(folder, DOCKERFILE, options);
  assert.equal(recipe.buildArgs, { A: "1" });
  assert.match(notes.join(), "does not use the build argument X");
});

test("arguments in values, defaults and headers count as used, and those in comments do not", async ({ folder }) => {
  await input(folder, DEFINITION, { buildArg: ["A=1", "C=2"] });
  await input(folder, "Bootstrap: docker\nFrom: {{ A }}\n", { buildArg: ["A=1"] });
  await refusal(input(folder, "Bootstrap: scratch\n# {{ A }}\n", { buildArg: ["A=1"] }));
  await input(folder, "FROM x\n", { buildArg: ["HTTPS_PROXY=x", "no_proxy=y", "SOURCE_DATE_EPOCH=1"] });
});

test("dryRunText() names recipe, options, architecture and pool, and no value of a build argument", async ({
  folder,
}) => {
  const built = await input(folder, DOCKERFILE, { buildArg: ["A=secret"], label: ["x=y"], target: "0" });
  const order = {
    context: undefined,
    secrets: [],
    imagePath: "/x.sif",
    arch: "aarch64",
    pool: undefined,
    terminal: undefined,
    reuse: { kind: "reuse" } as const,
  };
  const text = dryRunText({ input: built, ...order });
  for (const line of [
    /^image: +\/x\.sif$/m,
    /^recipe: +\S+R: Dockerfile, 23 B$/m,
    /^context: +none/m,
    /^build arguments: A$/m,
    /^option: +--label x=y$/m,
    /^option: +--target 0$/m,
    /^arch: +aarch64$/m,
    /^pool: +the queue's first/m,
    /^earlier build: +yes, if you have the same build/m,
    /^nothing was sent\n$/m,
  ])
    assert.match(text, line);
  assert.not.match(text, "secret");
});

test.run();
