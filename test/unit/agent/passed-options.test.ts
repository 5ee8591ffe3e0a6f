import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { WorkDir } from "../../../agent/prepare.ts";
import { stepsFor } from "../../../agent/steps.ts";
import type { PassedOptions } from "../../../lib/protocol/build-options.ts";

const test = suite("passed options of the agent");

const workDir: WorkDir = {
  callersRoot: "/b/context",
  context: "/b/context/home",
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

/** Every option, with values that a shell, a CSV line or an option parser would read otherwise. */
const ALL: Required<PassedOptions> = {
  archVariant: "v8",
  mksquashfsArgs: "-comp zstd; $(id)",
  compression: "none",
  noTest: true,
  writableTmpfs: true,
  binds: [
    { source: '/home/a, "b":c', destination: "/d:e" },
    { source: "/x", destination: "/x", readOnly: true },
  ],
  library: "--sandbox",
  gpu: "nvidia",
  target: "--network=host",
  labels: { "a b": '$(id), "c"', d: "" },
};

test("apptainer gets the options of a definition file, each as one argument, with sources of binds in the context", () => {
  const [step] = stepsFor({ backend: "singularity", text: "x", options: ALL }, workDir);
  assert.equal(step?.argv, [
    "apptainer",
    "build",
    "--notest",
    "--writable-tmpfs",
    '--mount=type=bind,"source=/b/context/home/a, ""b"":c","destination=/d:e",type=bind',
    '--mount=type=bind,"source=/b/context/x","destination=/x",ro',
    "--library=--sandbox",
    "--nv",
    "--arch-variant=v8",
    "--mksquashfs-args=-comp zstd; $(id)",
    "/b/image.sif",
    "/b/recipe",
  ]);
});

test("buildah gets the options of a Dockerfile, and the packing apptainer those for mksquashfs", () => {
  const [build, pack] = stepsFor({ backend: "docker", text: "FROM x\n", options: ALL }, workDir);
  const at = build?.argv.indexOf("--unsetenv=CONTAINER_BUILDER_UNUSED") ?? -1;
  assert.equal(build?.argv.slice(at + 1, at + 5), [
    "--target=--network=host",
    '--label=a b=$(id), "c"',
    "--label=d=",
    "--variant=v8",
  ]);
  assert.equal(pack?.argv.slice(-3), ["--mksquashfs-args=-comp zstd; $(id)", "/b/image.sif", "oci:/b/layout"]);
});

test("the source of a bind cannot leave the folder of the caller's files", () => {
  const options = { binds: [{ source: "/../../etc/shadow", destination: "/d" }] };
  const [step] = stepsFor({ backend: "singularity", text: "x", options }, workDir);
  assert.ok(
    step?.argv.includes('--mount=type=bind,"source=/b/context/etc/shadow","destination=/d",type=bind'),
    step?.argv.join(" "),
  );
});

/** Arguments of mksquashfs in the step that packs the image. */
function packedWith(options: PassedOptions): string {
  const [step] = stepsFor({ backend: "singularity", text: "x", options }, workDir);
  const prefix = "--mksquashfs-args=";
  return step?.argv.find((arg) => arg.startsWith(prefix))?.slice(prefix.length) ?? "";
}

test("an image is packed with gzip at level 6, and with another compression when the caller chooses it", () => {
  assert.is(packedWith({}), "-Xcompression-level 6");
  assert.is(packedWith({ compression: "default" }), "-Xcompression-level 6");
  assert.is(packedWith({ compression: "small" }), "-Xcompression-level 9");
  assert.is(packedWith({ compression: "fast" }), "-comp zstd -Xcompression-level 3");
  assert.is(packedWith({ compression: "none" }), "-noI -noD -noF -noX");
});

test("arguments for mksquashfs that choose a compressor replace the compression, others are added to it", () => {
  for (const args of ["-comp xz", "-processors 1 -comp lzo", "-Xcompression-level 1", "-noD", "-noDataCompression"])
    assert.is(packedWith({ mksquashfsArgs: args }), args);
  for (const args of ["-processors 1", "-no-duplicates", "-no-xattrs -mem 1G"])
    assert.is(packedWith({ mksquashfsArgs: args }), `-Xcompression-level 6 ${args}`);
});

test.run();
