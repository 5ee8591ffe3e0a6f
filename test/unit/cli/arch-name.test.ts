import { suite } from "uvu";
import * as assert from "uvu/assert";
import { archName } from "../../../lib/cli/arch-name.ts";
import { CbError } from "../../../lib/core/errors.ts";

const test = suite("architecture name");

test("archName() takes the words of Debian and OCI for those of uname, in any case", () => {
  for (const [said, meant] of [
    ["x86_64", "x86_64"],
    ["AMD64", "x86_64"],
    ["arm64", "aarch64"],
    ["ppc64el", "ppc64le"],
    ["riscv64", "riscv64"],
  ] as const)
    assert.is(archName(said), meant);
});

test("archName() refuses what no machine is called", () => {
  for (const text of ["", "../x", "x86 64", "x".repeat(33)])
    assert.throws(
      () => archName(text),
      (error: unknown) => error instanceof CbError && error.kind === "usage",
    );
});

test.run();
