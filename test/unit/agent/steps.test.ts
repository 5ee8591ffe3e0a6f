import { suite } from "uvu";
import * as assert from "uvu/assert";
import { emulatedArchitecture } from "../../../agent/emulation.ts";
import type { WorkDir } from "../../../agent/prepare.ts";
import { stepsFor } from "../../../agent/steps.ts";

const test = suite("steps");

const place: WorkDir = {
  callersRoot: "/b/context",
  context: "/b/context",
  recipe: "/b/recipe",
  image: "/b/image.sif",
  storage: "/b/storage",
  layout: "/b/layout",
  environment: {},
  emulated: undefined,
};
const argv = (step: number, recipe: Parameters<typeof stepsFor>[0]) => stepsFor(recipe, place)[step]?.argv ?? [];

test("stepsFor() gives apptainer the arguments as CSV, which is how it reads them", () => {
  const recipe = { backend: "singularity", text: "x", buildArgs: { A: '1,2 "x"', B: "" } } as const;
  const args = ["--build-arg", '"A=1,2 ""x"""', "--build-arg", '"B="'];
  assert.equal(stepsFor(recipe, place), [
    { name: "apptainer build", argv: ["apptainer", "build", ...args, "/b/image.sif", "/b/recipe"] },
  ]);
});

test("stepsFor() gives buildah the arguments as they are", () => {
  const recipe = { backend: "docker", text: "FROM x\n", buildArgs: { A: '1,2 "x"' } } as const;
  const words = argv(0, recipe);
  assert.is(words[words.indexOf("--build-arg") + 1], 'A=1,2 "x"');
  assert.is(words.at(-1), "/b/context");
});

test("stepsFor() takes the oci format where it says something, and the docker format where that would ignore SHELL", () => {
  const format = (text: string) => argv(0, { backend: "docker", text }).find((word) => word.startsWith("--format"));
  assert.is(format("FROM x\nRUN true\n"), "--format=docker");
  assert.is(format("FROM x\nhealthcheck CMD true\n"), "--format=oci");
  assert.is(format('FROM x\nSHELL ["/bin/bash", "-c"]\nHEALTHCHECK CMD true\n'), "--format=docker");
  assert.is(format("FROM x\n# HEALTHCHECK CMD true\n"), "--format=docker");
});

test("stepsFor() names the architecture to each program when it is not the builder's own", () => {
  const emulated = emulatedArchitecture("aarch64", "x86_64");
  const recipes = [
    { backend: "singularity", text: "x" },
    { backend: "docker", text: "FROM x\n" },
  ] as const;
  for (const { name, argv } of recipes.flatMap((recipe) => stepsFor(recipe, { ...place, emulated }))) {
    assert.is(argv[argv.indexOf("--arch") + 1], "arm64", name);
  }
  assert.not.ok(recipes.flatMap((recipe) => stepsFor(recipe, place)).some(({ argv }) => argv.includes("--arch")));
});

test("emulatedArchitecture() is none for the builder's own, and refuses what it has no emulator for", () => {
  assert.is(emulatedArchitecture(undefined, "x86_64"), undefined);
  assert.is(emulatedArchitecture("ppc64le", "ppc64le"), undefined);
  assert.is(emulatedArchitecture("ppc64le", "x86_64")?.debian, "ppc64el");
  assert.throws(
    () => emulatedArchitecture("s390x", "x86_64"),
    /runs no programs of s390x, only of x86_64, aarch64, ppc64le/,
  );
});

test.run();
