import { suite } from "uvu";
import * as assert from "uvu/assert";
import * as v from "valibot";
import { line } from "../../../lib/protocol/fields.ts";

const test = suite("fields");

test("line replaces control, format and separator characters, which could change what a terminal shows", () => {
  for (const hostile of ["\u001b", "\n", "\u009b", "\u202e", "\u2066", "\u200b", "\ufeff", "\u2028", "\u2029"]) {
    assert.is(v.parse(line, `a${hostile}${hostile}b`), "a b", JSON.stringify(hostile));
  }
});

test("line keeps letters of every script, marks and emoji", () => {
  for (const text of ["Zürich", "e\u0301", "日本", "שלום", "🚀", "a\u00a0b"]) assert.is(v.parse(line, text), text);
});

test("line truncates a text after 2000 characters", () => {
  assert.is(v.parse(line, "x".repeat(2001)).length, 2000);
});

test.run();
