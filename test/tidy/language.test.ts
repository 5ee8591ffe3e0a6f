import { suite } from "uvu";
import * as assert from "uvu/assert";
import { badLanguage } from "./language.ts";

const test = suite("tidy/language");

/** The places that the rules find in one file, as `line word`. */
function found(path: string, ...lines: string[]): string[] {
  return badLanguage([{ path, text: `${lines.join("\n")}\n` }]).map((problem) =>
    problem.replace(/^[^:]+:(\d+) "([^"]*)".*$/, "$1 $2"),
  );
}

test("a sentence of a comment must not open with a relative clause", () => {
  assert.equal(found("lib/a.ts", "/** What a builder runs. */"), ["1 What"]);
  assert.equal(found("lib/a.ts", "/**", " * Sends it.", " * Who asks gets it.", " */"), ["3 Who"]);
  assert.equal(found("lib/a.ts", "f(); // Sends it. Whatever it is."), ["1 Whatever"]);
  assert.equal(found("lib/a.ts", "// It sends", "// what it has. Whose", "// turn it is."), ["2 Whose", "2 Whose"]);
});

test("a question, a word inside a sentence, and code may use the same words", () => {
  assert.equal(found("lib/a.ts", "// What does the builder run?"), []);
  assert.equal(found("lib/a.ts", "// Sends what the builder printed.", "// `Who` is a type."), []);
  assert.equal(found("lib/a.ts", "const What = 1;"), []);
});

test("a comment, a message and a document must not use a pronoun that hides the actor", () => {
  assert.equal(found("lib/a.ts", "// It is sent to whoever asks."), ["1 whoever"]);
  assert.equal(found("lib/a.ts", 'fail("nobody holds the lock");'), ["1 nobody"]);
  assert.equal(found("lib/a.ts", "fail(`$\x7bname}: somebody else holds it`);"), ["1 somebody"]);
  assert.equal(found("lib/a.sh", "#!/bin/sh", "# Whose it is.", "run nobody"), ["2 Whose", "2 Whose"]);
  assert.equal(found("lib/a.py", '"""Sends it.', "", 'Nobody reads it."""'), ["3 Nobody"]);
  assert.equal(found("docs/a.md", "# Title", "", "- anybody", "```", "nobody", "```"), ["3 anybody"]);
});

test("a literal of one or two words is no message", () => {
  assert.equal(found("lib/a.ts", 'chown("nobody", "nobody:nogroup");'), []);
});

test("a term that was replaced must be in no comment, identifier, message or file name", () => {
  assert.equal(found("lib/a.ts", "// One door."), ["1 door"]);
  assert.equal(found("lib/a.ts", "const openDoors = 1, DOORS_MAX = 2;"), ["1 openDoors", "1 DOORS_MAX"]);
  assert.equal(found("lib/a.ts", 'test("the queue shuts a door", f);'), ["1 door"]);
  assert.equal(found("lib/reader-door.ts", "f();"), ["1 door"]);
  assert.equal(found("lib/a.ts", "// outdoor, indoors"), []);
});

test("terms that are ordinary English are refused in identifiers only", () => {
  assert.equal(found("lib/a.ts", "// The builder is made of two files and heard of."), []);
  assert.equal(found("lib/a.ts", "const { madeOf, heardAtMs } = hands;"), ["1 madeOf", "1 heardAtMs", "1 hands"]);
});

test("the glossary may list the terms that were replaced", () => {
  assert.equal(found("docs/glossary.md", "| door | subscription |"), []);
  assert.is(found("docs/protocol.md", "| door | subscription |").length, 1);
});

test.run();
