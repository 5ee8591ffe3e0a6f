import { suite } from "uvu";
import * as assert from "uvu/assert";
import { nearest } from "../../../lib/core/nearest.ts";

const test = suite("nearest");

test("nearest() finds the word behind letters that are added, left out, replaced or exchanged", () => {
  for (const [given, expected] of [
    ["psot", "post"],
    ["pos", "post"],
    ["poost", "post"],
    ["pist", "post"],
    ["enviromnet", "environment"],
    ["--Build_Arg", "--build-arg"],
  ] as const)
    assert.is(nearest(given, ["files", "post", "environment", "--build-arg"]), expected, given);
});

test("nearest() suggests no other word, and allows two mistakes from seven letters on", () => {
  assert.is(nearest("--tag", ["--tty", "--target", "--arch"]), undefined);
  assert.is(nearest("abcxyz", ["abcdez"]), undefined, "two mistakes in six letters");
  assert.is(nearest("abcxyzg", ["abcdezg"]), "abcdezg");
  assert.is(nearest("", ["a"]), undefined);
  assert.is(nearest("x", ["a"]), undefined, "a letter is not a misspelling of another");
  assert.is(nearest("y".repeat(1_000_000), ["yes"]), undefined);
});

test("nearest() prefers the word with fewer mistakes", () => {
  assert.is(nearest("docker-archiv", ["docker", "oci-archive", "docker-archive"]), "docker-archive");
});

test.run();
