import { suite } from "uvu";
import * as assert from "uvu/assert";
import { codeOf, messageOf } from "../../../lib/core/errors.ts";
import { settingsFailure } from "../../../lib/core/read-failure.ts";

const test = suite("errors");

/** An error as Node makes it: libuv has no name for errno 116 and 122 on Linux. */
const unnamed = (errno: number) => {
  const code = `Unknown system error -${errno}`;
  return Object.assign(new Error(`${code}: ${code}, write`), { code, errno: -errno, syscall: "write" });
};

test("codeOf() names the errors for which Node has no name", () => {
  assert.is(codeOf(unnamed(122)), "EDQUOT");
  assert.is(codeOf(unnamed(116)), "ESTALE");
  assert.is(codeOf(unnamed(9999)), "Unknown system error -9999");
  assert.is(codeOf(Object.assign(new Error("x"), { code: "ENOSPC" })), "ENOSPC");
  for (const error of [new Error("x"), "ENOSPC", undefined, null, { code: 5 }]) assert.is(codeOf(error), "");
});

test("messageOf() names them too", () => {
  assert.is(messageOf(unnamed(122)), "EDQUOT: EDQUOT, write");
  assert.is(messageOf("text"), "text");
});

test("settingsFailure() separates a failed machine from a wrong setting", () => {
  for (const cause of [unnamed(116), Object.assign(new Error("x"), { code: "EIO" })])
    assert.is(settingsFailure("cannot read x", cause, "ask").kind, "infrastructure");
  const { kind, hint } = settingsFailure("cannot read x", Object.assign(new Error("x"), { code: "EACCES" }), "ask");
  assert.equal([kind, hint], ["config", "ask"]);
});

test.run();
