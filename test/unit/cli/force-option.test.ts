import { Command } from "commander";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { addForceOption } from "../../../lib/cli/force-option.ts";
import { CbError } from "../../../lib/core/errors.ts";

const test = suite("--force");

const command = () => addForceOption(new Command("x").argument("[image]"), "replace the image");

test("addForceOption() takes -F and --force", () => {
  for (const flag of ["-F", "--force"]) assert.is(command().parse([flag, "a"], { from: "user" }).opts().force, true);
  assert.is(command().parse(["a"], { from: "user" }).opts().force, undefined);
});

test("addForceOption() refuses -f with the remedy", () => {
  try {
    command().parse(["a", "-f"], { from: "user" });
    assert.unreachable();
  } catch (error) {
    assert.ok(error instanceof CbError);
    assert.equal([error.kind, error.hint], ["usage", "write -F or --force (replace the image)"]);
  }
});

test.run();
