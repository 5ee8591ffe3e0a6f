import { suite } from "uvu";
import * as assert from "uvu/assert";
import { archName } from "../../../lib/cli/arch-name.ts";
import { CbError } from "../../../lib/core/errors.ts";

const test = suite("architecture name");

test("archName() converts the names of Debian and OCI to those of uname, in upper or lower case", () => {
  for (const [given, expected] of [
    ["x86_64", "x86_64"],
    ["AMD64", "x86_64"],
    ["arm64", "aarch64"],
    ["ppc64el", "ppc64le"],
    ["riscv64", "riscv64"],
  ] as const)
    assert.is(archName(given), expected);
});

test("archName() refuses an impossible name", () => {
  for (const text of ["", "../x", "x86 64", "x".repeat(33)])
    assert.throws(
      () => archName(text),
      (error: unknown) => error instanceof CbError && error.kind === "usage",
    );
});

test.run();
