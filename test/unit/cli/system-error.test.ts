import { suite } from "uvu";
import * as assert from "uvu/assert";
import { fromSystemError } from "../../../lib/cli/system-error.ts";
import { CbError } from "../../../lib/core/errors.ts";

const test = suite("system-error");

const systemError = (code: string, syscall: string) => Object.assign(new Error(`${code}: failed`), { code, syscall });

test("fromSystemError() gives each failure of a system call a kind and a remedy", () => {
  const kinds = {
    EMFILE: "infrastructure",
    EAGAIN: "infrastructure",
    ENOSPC: "output",
    EACCES: "usage",
    EIO: "infrastructure",
    "Unknown system error -122": "output",
  };
  for (const [code, kind] of Object.entries(kinds)) {
    const error = fromSystemError(systemError(code, "open"));
    assert.ok(error instanceof CbError && error.hint !== undefined, code);
    assert.is(error.kind, kind);
  }
});

test("fromSystemError() leaves bugs and errors with a kind as they are", () => {
  const errors = [
    new TypeError("bug"),
    new CbError("denied", "no"),
    Object.assign(new Error(), { code: "ERR_X" }),
    "text",
  ];
  for (const error of errors) assert.is(fromSystemError(error), error);
});

test.run();
