import { suite } from "uvu";
import * as assert from "uvu/assert";
import { CbError } from "../../../../lib/core/errors.ts";
import { ignoreFile } from "../../../../lib/recipe/context/ignore-file.ts";

const test = suite("ignore file");

const ignored = (text: string, ...paths: string[]): string[] =>
  paths.filter((path) => ignoreFile(".cbignore", text).ignores(Buffer.from(path).toString("latin1")));

test("a pattern starts at the directory and includes everything below its match", () => {
  assert.equal(ignored("a", "a", "a/b/c", "b/a", "ab"), ["a", "a/b/c"]);
  assert.equal(ignored("/a/\n./b/../c//d\n", "a", "a/x", "c/d", "b", "c"), ["a", "a/x", "c/d"]);
  assert.equal(ignored("*.log", "x.log", "sub/x.log", "x.log/below"), ["x.log", "x.log/below"]);
  assert.equal(ignored("*/*.log", "x.log", "sub/x.log", "a/b/x.log"), ["sub/x.log"]);
});

test("** matches any number of folders", () => {
  assert.equal(ignored("**/*.log", "x.log", "a/x.log", "a/b/x.log", "a/log"), ["x.log", "a/x.log", "a/b/x.log"]);
  assert.equal(ignored("a/**", "a", "a/b", "a/b/c", "b"), ["a/b", "a/b/c"]);
  assert.equal(ignored("a/**/z", "a/z", "a/b/z", "a/b/c/z", "az"), ["a/z", "a/b/z", "a/b/c/z"]);
  assert.equal(ignored("**", "a", "a/b"), ["a", "a/b"]);
});

test("the last pattern that matches decides", () => {
  assert.equal(ignored("*\n!a\na/secret", "a", "a/x", "a/secret", "b"), ["a/secret", "b"]);
  assert.equal(ignored("!a\na", "a"), ["a"]);
  assert.equal(ignored("*.md\n!README*.md\nREADME-secret.md", "x.md", "README.md", "README-secret.md"), [
    "x.md",
    "README-secret.md",
  ]);
});

test("[!a] is ! or a, and a pattern that leads out of the directory matches nothing", () => {
  assert.equal(ignored("[!a]x", "!x", "ax", "bx"), ["!x", "ax"]);
  assert.equal(ignored("[^a]x", "!x", "ax", "bx"), ["!x", "bx"]);
  assert.equal(ignored("../x\n/../y\n", "x", "y"), ["y"]);
});

test("a pattern that is too long or too complex, and too many patterns, are refused with their line", () => {
  const refusal = (text: string): string => {
    try {
      ignoreFile("/d/.cbignore", text);
    } catch (error) {
      if (error instanceof CbError && error.kind === "usage") return error.message;
      throw error;
    }
    return "";
  };
  assert.is(refusal(`a\n${"b".repeat(4096)}`), "");
  assert.match(refusal(`a\n${"b".repeat(4097)}`), "line 2 of the ignore file /d/.cbignore has 4097 characters");
  assert.is(refusal("a**b**c**d"), "");
  assert.match(refusal("a\na**b**c**d**e"), "line 2 of the ignore file /d/.cbignore has more than 3 times **");
  assert.is(refusal("a\n".repeat(10_000)), "");
  assert.match(refusal("a\n".repeat(10_001)), "line 10001");
});

test("comments, blanks, CR LF, a byte order mark and non-ASCII names are read", () => {
  assert.equal(ignored("\uFEFFa\r\n\n  b  \n# c\n\\#d\n!\n.\n/\n", "a", "b", "# c", "#d", "c", "x"), ["a", "b", "#d"]);
  assert.equal(ignored("ä?\nx y\n", "äö", "x y", "ä"), ["äö", "x y"]);
  assert.equal(ignored("", "a"), []);
});

test("mayReincludeBelow() is true when a ! pattern might match below the folder", () => {
  const holds = (text: string, folder: string): boolean => ignoreFile("x", text).mayReincludeBelow(folder);
  assert.not(holds("a\nb/c", "a"));
  assert.ok(holds("*\n!a/b/c", "a"));
  assert.ok(holds("*\n!a/b/c", "a/b"));
  assert.not(holds("*\n!a/b/c", "a/x"));
  assert.not(holds("*\n!a/b/c", "b"));
  assert.ok(holds("*\n!*/keep", "anything"));
  assert.not(holds("*\n!*/keep", "any/thing"));
  assert.ok(holds("*\n!**/keep", "any/thing"));
  assert.ok(holds("a/b\n!a", "a/b"));
});

test.run();
