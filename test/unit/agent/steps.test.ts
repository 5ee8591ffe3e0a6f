import { suite } from "uvu";
import * as assert from "uvu/assert";
import { emulatedArchitecture } from "../../../agent/emulation.ts";
import type { WorkDir } from "../../../agent/prepare.ts";
import { stepsFor } from "../../../agent/steps.ts";

const test = suite("steps");

const workDir: WorkDir = {
  callersRoot: "/b/context",
  context: "/b/context",
  recipe: "/b/recipe",
  registriesConf: "/work/registries.conf",
  image: "/b/image.sif",
  storage: "/b/storage",
  layout: "/b/layout",
  environment: {},
  programs: "/work/programs",
  emulated: undefined,
  launcher: [],
};
const argv = (step: number, recipe: Parameters<typeof stepsFor>[0]) => stepsFor(recipe, workDir)[step]?.argv ?? [];

test("stepsFor() quotes build arguments as CSV for apptainer", () => {
  const recipe = { backend: "singularity", text: "x", buildArgs: { A: '1,2 "x"', B: "" } } as const;
  const args = ["--build-arg", '"A=1,2 ""x"""', "--build-arg", '"B="'];
  const pack = "--mksquashfs-args=-Xcompression-level 6";
  assert.equal(stepsFor(recipe, workDir), [
    { name: "apptainer build", argv: ["apptainer", "build", ...args, pack, "/b/image.sif", "/b/recipe"] },
  ]);
});

test("stepsFor() starts apptainer by the launcher of the recipe", () => {
  const [build] = stepsFor({ backend: "singularity", text: "x" }, { ...workDir, launcher: ["perl", "-e", "1"] });
  assert.equal(build?.argv.slice(0, 5), ["perl", "-e", "1", "apptainer", "build"]);
});

test("stepsFor() passes build arguments unchanged to buildah", () => {
  const recipe = { backend: "docker", text: "FROM x\n", buildArgs: { A: '1,2 "x"' } } as const;
  const args = argv(0, recipe);
  assert.is(args[args.indexOf("--build-arg") + 1], 'A=1,2 "x"');
  assert.is(args.at(-1), "/b/context");
});

test("stepsFor() gives buildah the overlay driver where its storage can have it", () => {
  const recipe = { backend: "docker", text: "FROM x\n" } as const;
  assert.equal(argv(0, recipe).slice(0, 3), ["buildah", "--root", "/b/storage"]);
  const [build] = stepsFor(recipe, { ...workDir, storageDriver: "overlay" });
  assert.equal(build?.argv.slice(0, 5), ["buildah", "--storage-driver", "overlay", "--root", "/b/storage"]);
});

test("stepsFor() names the Dockerfile's own ignore file to buildah", () => {
  const recipe = { backend: "docker", text: "FROM x\n" } as const;
  assert.not.ok(argv(0, recipe).includes("--ignorefile"));
  const [build] = stepsFor(recipe, { ...workDir, ignoreFile: "/b/context/D.dockerignore" });
  const at = build?.argv.indexOf("--ignorefile") ?? -1;
  assert.is(build?.argv[at + 1], "/b/context/D.dockerignore");
});

test("stepsFor() selects the oci format for HEALTHCHECK, and the docker format when SHELL is used", () => {
  const format = (text: string) => argv(0, { backend: "docker", text }).find((word) => word.startsWith("--format"));
  assert.is(format("FROM x\nRUN true\n"), "--format=docker");
  assert.is(format("FROM x\nhealthcheck CMD true\n"), "--format=oci");
  assert.is(format('FROM x\nSHELL ["/bin/bash", "-c"]\nHEALTHCHECK CMD true\n'), "--format=docker");
  assert.is(format("FROM x\n# HEALTHCHECK CMD true\n"), "--format=docker");
});

test("stepsFor() passes another architecture than the builder's to each program", () => {
  const emulated = emulatedArchitecture("aarch64", "x86_64");
  const recipes = [
    { backend: "singularity", text: "x" },
    { backend: "docker", text: "FROM x\n" },
  ] as const;
  for (const { name, argv } of recipes.flatMap((recipe) => stepsFor(recipe, { ...workDir, emulated }))) {
    assert.is(argv[argv.indexOf("--arch") + 1], "arm64", name);
  }
  assert.not.ok(recipes.flatMap((recipe) => stepsFor(recipe, workDir)).some(({ argv }) => argv.includes("--arch")));
});

test("stepsFor() keeps layers in buildah's storage, pulls and pushes those of the user, and hands the image over as a layout", () => {
  const recipe = { backend: "docker", text: "FROM x\n" } as const;
  const layers = { repository: "h:5/layers/u/x86_64", plainHttp: true };
  const words = (given: Parameters<typeof stepsFor>[2]) =>
    stepsFor(recipe, workDir, given).map(({ argv: words }) => words.join(" "));
  const [build = "", push = "", pack = ""] = words({ layers });
  assert.match(build, " --layers --cache-from=h:5/layers/u/x86_64 --cache-to=h:5/layers/u/x86_64 ");
  assert.match(build, " --tag localhost/image ");
  assert.match(push, " push --quiet --disable-compression localhost/image oci:/b/layout");
  assert.match(pack, / oci:\/b\/layout$/);
  const [anew = ""] = words({ layers: { ...layers, rebuild: true } });
  assert.match(anew, " --layers --no-cache --cache-to=h:5/layers/u/x86_64 ");
  assert.not.match(anew, "--cache-from");
  const [local = ""] = words({ layers: "local" });
  assert.match(local, " --layers ");
  assert.not.match(local, "cache-");
  assert.is(words({}).length, 2);
  assert.match(words({})[0] ?? "", " --layers=false ");
});

test("stepsFor() gives secrets and logins to the program that runs the recipe, as paths, and removes them before the image is packed", () => {
  const remove = async () => undefined;
  const secrets = { secrets: { folder: "/s/f", names: ["a", "b"] }, authFile: "/s/auth.json", copies: "/s/c", remove };
  const [definition] = stepsFor({ backend: "singularity", text: "x" }, workDir, { secrets });
  assert.ok(definition?.argv.includes("--authfile=/s/auth.json"));
  assert.ok(definition?.argv.includes('--mount=type=bind,"source=/s/f","destination=/run/secrets",ro'));
  const [build, pack] = stepsFor({ backend: "docker", text: "FROM x\n" }, workDir, { secrets });
  for (const word of ["--authfile=/s/auth.json", "--secret=id=a,src=/s/f/a", "--secret=id=b,src=/s/f/b"])
    assert.ok(build?.argv.includes(word), word);
  assert.is(build?.after, remove);
  assert.not.match(pack?.argv.join(" ") ?? "", "/s/");
  assert.is(pack?.after, undefined);
});

test("emulatedArchitecture() is undefined for the builder's own, and refuses one without an emulator", () => {
  assert.is(emulatedArchitecture(undefined, "x86_64"), undefined);
  assert.is(emulatedArchitecture("ppc64le", "ppc64le"), undefined);
  assert.is(emulatedArchitecture("ppc64le", "x86_64")?.debian, "ppc64el");
  assert.throws(
    () => emulatedArchitecture("s390x", "x86_64"),
    /cannot build for s390x, only for x86_64, aarch64, ppc64le/,
  );
});

test.run();
