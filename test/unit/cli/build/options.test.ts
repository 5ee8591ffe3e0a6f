/** Parses command lines and variables as container-builder does. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { acceptedNote, addBuildOptions, type BuildOptionValues } from "../../../../lib/cli/build/options/declare.ts";
import { BUILD_OPTIONS, flagOf } from "../../../../lib/cli/build/options/option-list.ts";
import {
  argumentsFromVariables,
  bindVariablesNote,
  type Environment,
} from "../../../../lib/cli/build/options/variables.ts";
import { createCommand, parse } from "../../../../lib/cli/program.ts";
import { CbError } from "../../../../lib/core/errors.ts";

const test = suite("build options");

function parsed(argv: readonly string[], environment: Environment = {}) {
  const accepted: string[] = [];
  const command = createCommand({ name: "x", summary: "", examples: { x: "" }, variables: [], failures: [] });
  addBuildOptions(command, (flag) => accepted.push(flag))
    .argument("<image>")
    .argument("[recipe]");
  const { options, args } = parse<BuildOptionValues>(command, [...argumentsFromVariables(environment), ...argv]);
  return { options, args, accepted };
}

function refusal(argv: readonly string[], environment: Environment = {}): CbError {
  try {
    parsed(argv, environment);
  } catch (error) {
    if (error instanceof CbError) return error;
    throw error;
  }
  throw new Error("not refused");
}

test("-F and --force replace an image, and -f is refused with a hint that names --force and --file", () => {
  assert.ok(parsed(["-F", "a", "b"]).options.force);
  assert.ok(parsed(["--force", "a", "b"]).options.force);
  for (const argv of [["-f", "a", "b"], ["-f", "Dockerfile", "a", "b"], ["-f"], ["a", "-f", "b"]]) {
    const { kind, hint = "" } = refusal(argv);
    assert.is(kind, "usage");
    for (const name of ["-F", "--force", "--file FILE", "--fakeroot"]) assert.match(hint, name);
  }
});

test("each option that is not needed is accepted, without taking an argument that is not its own", () => {
  for (const option of BUILD_OPTIONS.filter(({ treatment }) => treatment === "accepted")) {
    const flag = flagOf(option);
    const value = option.flags.includes("<") ? ["value"] : [];
    const { args, accepted } = parsed([flag, ...value, "a", "b"]);
    assert.equal([args, accepted], [["a", "b"], [flag]], flag);
  }
});

test("all options that are not needed give one note, and none without them", () => {
  assert.is(acceptedNote([]), undefined);
  assert.is(
    acceptedNote(["--rm", "--fakeroot", "--disable-cache", "--rm"]),
    "--rm, --fakeroot, --disable-cache: not needed, because a builder runs the build as root, and a builder is new for each build and keeps no cache, and a builder is destroyed after its build",
  );
});

test("each refused option ends the call with its name and a remedy, even without arguments", () => {
  for (const option of BUILD_OPTIONS.filter(({ treatment }) => treatment === "refused")) {
    const flags = option.flags.replace(/ <.*/, "").split(", ");
    for (const flag of flags) {
      const { kind, message, hint } = refusal([flag, ...(option.flags.includes("<") ? ["value"] : [])]);
      assert.is(kind, "usage", flag);
      assert.ok(message.startsWith(`${flag === "-f" ? "-f" : flagOf(option)} is `), message);
      assert.is(hint, option.text);
    }
  }
});

test("an unknown option is followed by a suggestion only if it is misspelled", () => {
  assert.match(refusal(["--build-agr", "A=1", "a", "b"]).hint ?? "", "did you mean --build-arg?");
  assert.match(refusal(["--fakerot", "a", "b"]).hint ?? "", "did you mean --fakeroot?");
  assert.not.match(refusal(["--tags", "a", "b"]).hint ?? "", "--tty");
  assert.is(refusal(["--overlay", "a", "b"]).hint, "see x --help");
});

test("a bind by variable is named and not sent", () => {
  assert.match(bindVariablesNote({ SINGULARITY_BINDPATH: "/lustre" }) ?? "", /^SINGULARITY_BINDPATH has no effect/);
  assert.is(bindVariablesNote({ APPTAINER_BIND: " " }), undefined);
});

test("variables of apptainer set the options that they set there, and the command line overrides them", () => {
  const environment = { APPTAINER_NOTEST: "1", SINGULARITY_LIBRARY: "https://one", APPTAINER_BINDPATH: "/a" };
  const { options } = parsed(["--library", "https://two", "--bind", "/d", "a", "b"], environment);
  assert.equal(options, {
    notest: true,
    library: "https://two",
    bind: ["/d"],
    cache: true,
    cleanup: true,
    https: true,
  });
  assert.ok(parsed(["a", "b"], { APPTAINER_FORCE: "true" }).options.force);
  const both = { APPTAINER_MKSQUASHFS_ARGS: "-comp zstd", SINGULARITY_MKSQUASHFS_ARGS: "-comp lzo" };
  assert.is(parsed(["a", "b"], both).options.mksquashfsArgs, "-comp zstd");
});

test("a variable that is false or blank sets nothing, and one that is no boolean is refused", () => {
  for (const value of ["0", "false", "F", "", " "]) {
    assert.is(parsed(["a", "b"], { APPTAINER_NOTEST: value }).options.notest, undefined, value);
  }
  const { kind, message } = refusal(["a", "b"], { APPTAINER_NOTEST: "no" });
  assert.equal([kind, message], ["usage", "APPTAINER_NOTEST=no is neither true nor false"]);
});

test("a variable of a refused option is refused by its name, and one of an option that is not needed gives no note", () => {
  const { message, hint } = refusal(["a", "b"], { SINGULARITY_SANDBOX: "1" });
  assert.is(message, "the variable SINGULARITY_SANDBOX is not possible here");
  assert.match(hint ?? "", "apptainer build --sandbox");
  assert.is(parsed(["a", "b"], { SINGULARITY_SANDBOX: "0" }).options.force, undefined);
  assert.equal(parsed(["a", "b"], { APPTAINER_TMPDIR: "/scratch", APPTAINER_FAKEROOT: "1" }).accepted, []);
});

test.run();
