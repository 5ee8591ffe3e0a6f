import { suite } from "uvu";
import * as assert from "uvu/assert";
import { type GlobDialect, globMatcher, isPattern } from "../../../../lib/recipe/context/glob.ts";

const test = suite("glob");

const matches = (pattern: string, name: string, dialect: GlobDialect = "shell"): boolean =>
  globMatcher(pattern, dialect)(name);

test("globMatcher() matches whole names as a shell does", () => {
  for (const [pattern, name] of [
    ["*.csv", "a.csv"],
    ["?", "ä"],
    ["?", "😀"],
    ["a*b*c", "a-b\n-c"],
    ["[a-c]x", "bx"],
    ["[!a-c]x", "dx"],
    ["[^a]", "b"],
    ["[]a]", "]"],
    ["[a-]", "-"],
    ["[[:digit:]]", "7"],
    ["[![:alpha:]]", "7"],
    ["[a\\]b]", "]"],
    ["\\*", "*"],
    ["a.b", "a.b"],
    ["(a|b)+$", "(a|b)+$"],
    ["[a", "[a"],
    ["[z-a]", "[z-a]"],
    ["a{b,c}", "a{b,c}"],
    ["[&&]", "&"],
  ] as const) {
    assert.ok(matches(pattern, name), `${pattern} ${name}`);
  }
  for (const [pattern, name] of [
    ["*.csv", "a.csvx"],
    ["?", ""],
    ["?", "ab"],
    ["[a-c]", "d"],
    ["[!a]", "a"],
    ["\\*", "a"],
    ["a.b", "axb"],
    ["[[:digit:]]", "a"],
    ["A", "a"],
  ] as const) {
    assert.not(matches(pattern, name), `${pattern} ${name}`);
  }
});

test("only a dot matches a leading dot, or any pattern of Go", () => {
  for (const pattern of ["*", "?x", "[.]x", "*x"]) {
    assert.not(matches(pattern, ".x"), pattern);
    assert.ok(matches(pattern, ".x", "go"), pattern);
  }
  assert.ok(matches(".*", ".x"));
  assert.ok(matches("*", "a.x"));
});

test("in Go's dialect only ^ negates, and [:digit:] is no class", () => {
  for (const name of ["!", "a"]) assert.ok(matches("[!a]", name, "go"), name);
  assert.not(matches("[!a]", "b", "go"));
  assert.ok(matches("[^a]", "b", "go"));
  assert.not(matches("[[:digit:]]", "7", "go"));
  assert.ok(matches("[[:digit:]]", "d]", "go"));
});

test("a name of Object.prototype is no named class", () => {
  assert.ok(matches("[[:constructor:]]", "c]"));
});

test("isPattern() detects special characters", () => {
  for (const text of ["*", "a?", "[a]", "a\\b"]) assert.ok(isPattern(text), text);
  for (const text of ["", "a.b", "{a,b}", "ä]"]) assert.not(isPattern(text), text);
});

test.run();
