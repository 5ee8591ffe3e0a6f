import { suite } from "uvu";
import * as assert from "uvu/assert";
import { passedOptionsOf } from "../../../../lib/cli/build/options/passed.ts";
import { architectureOf, parsePlatform } from "../../../../lib/cli/build/options/platform.ts";
import { CbError } from "../../../../lib/core/errors.ts";

const test = suite("passed options");

function refusal(call: () => unknown): CbError {
  try {
    call();
  } catch (error) {
    if (error instanceof CbError) return error;
    throw error;
  }
  throw new Error("not refused");
}

test("passedOptionsOf() collects the options of each kind of recipe, and none without any", () => {
  assert.is(passedOptionsOf({}, "singularity", "x.def"), undefined);
  const ofDefinition = {
    notest: true,
    writableTmpfs: true,
    bind: ["/a:/b:ro"],
    mount: ["type=bind,src=/c,dst=/d"],
    library: "https://l",
  };
  assert.equal(passedOptionsOf({ ...ofDefinition, mksquashfsArgs: "-comp zstd" }, "singularity", "x.def"), {
    noTest: true,
    writableTmpfs: true,
    binds: [
      { source: "/a", destination: "/b", readOnly: true },
      { source: "/c", destination: "/d" },
    ],
    library: "https://l",
    mksquashfsArgs: "-comp zstd",
  });
  assert.equal(passedOptionsOf({ target: "one", label: ["a=b=c", "d"], platform: "linux/arm/v7" }, "docker", "D"), {
    target: "one",
    labels: { a: "b=c", d: "" },
    archVariant: "v7",
  });
});

test("--nv and --rocm ask for one kind of GPU, not for both", () => {
  assert.equal(passedOptionsOf({ nv: true }, "singularity", "x.def"), { gpu: "nvidia" });
  assert.equal(passedOptionsOf({ rocm: true }, "singularity", "x.def"), { gpu: "rocm" });
  const both = refusal(() => passedOptionsOf({ nv: true, rocm: true }, "singularity", "x.def"));
  assert.equal([both.kind, both.message], ["usage", "--nv and --rocm exclude each other"]);
  assert.is(
    refusal(() => passedOptionsOf({ nv: true }, "docker", "D")).message,
    "--nv is for a definition file, and D is a Dockerfile",
  );
});

test("an option of the other kind of recipe is refused with both kinds and a remedy", () => {
  const { message, hint } = refusal(() => passedOptionsOf({ bind: ["/a"] }, "docker", "D"));
  assert.equal([message, hint?.includes("COPY")], ["--bind is for a definition file, and D is a Dockerfile", true]);
  const label = refusal(() => passedOptionsOf({ label: ["a=b"] }, "singularity", "x.def"));
  assert.equal(
    [label.message, label.hint],
    ["--label is for a Dockerfile, and x.def is a definition file", "add the label to %labels"],
  );
});

test("a value beyond a bound of the protocol is refused before it is sent, with the name of its option", () => {
  const long = "x".repeat(4097);
  for (const [flag, values] of [
    ["--mksquashfs-args", { mksquashfsArgs: long }],
    ["--library", { library: "a\nb" }],
    ["--bind", { bind: Array.from({ length: 101 }, () => "/a") }],
    ["--bind", { bind: ["/a\nb:/c"] }],
    ["--arch-variant", { archVariant: "v 8" }],
  ] as const) {
    const { kind, message } = refusal(() => passedOptionsOf(values, "singularity", "x.def"));
    assert.equal([kind, message.split(":")[0]], ["usage", flag]);
  }
  assert.is(passedOptionsOf({ library: "x".repeat(4096) }, "singularity", "x.def")?.library?.length, 4096);
  assert.is(refusal(() => passedOptionsOf({ label: ["=x"] }, "docker", "D")).message, "--label =x is not NAME=VALUE");
});

test("parsePlatform() reads docker's names, and leaves out the variant that an architecture has anyway", () => {
  assert.equal(parsePlatform("linux/amd64"), { arch: "x86_64" });
  assert.equal(parsePlatform("Linux/arm64/v8"), { arch: "aarch64" });
  assert.equal(parsePlatform("linux/arm/v7"), { arch: "arm", variant: "v7" });
  assert.match(refusal(() => parsePlatform("linux/amd64,linux/arm64")).hint ?? "", "once for each platform");
  for (const text of ["windows/amd64", "linux", "linux/", "linux/a/b/c", "linux/.."])
    refusal(() => parsePlatform(text));
});

test("--arch and --platform may name the same architecture, and not different ones", () => {
  assert.is(architectureOf({}), undefined);
  assert.is(architectureOf({ arch: "aarch64", platform: "linux/arm64" }), "aarch64");
  assert.is(refusal(() => architectureOf({ arch: "x86_64", platform: "linux/arm64" })).kind, "usage");
});

test.run();
