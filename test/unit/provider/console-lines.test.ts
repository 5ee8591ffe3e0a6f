import { suite } from "uvu";
import * as assert from "uvu/assert";
import { consoleLines } from "../../../lib/provider/console-lines.ts";

const test = suite("console lines");

const of = (text: string, maxLines = 10) => consoleLines(Buffer.from(text), maxLines);

test("consoleLines() returns the newest lines that are not empty", () => {
  assert.equal(of("one\n\ntwo\r\n  \nthree", 2), ["two", "three"]);
  assert.equal(of("one\n", 0), []);
  assert.equal(of(""), []);
});

test("consoleLines() removes colours, cursor moves, titles and other sequences", () => {
  assert.equal(
    of("\u001b[1;31mred\u001b[0m\n\u001b]0;title\u0007a\n\u001b]8;;http://x\u001b\\b\n\u001bcreset\n\u001b(Bascii"),
    ["red", "a", "b", "reset", "ascii"],
  );
});

test("consoleLines() removes every character that controls a terminal or hides text", () => {
  const all = Array.from({ length: 0x3000 }, (_, code) => String.fromCharCode(code)).join("");
  const hostile = `${all}\u001b\u001b[[31m \u001b]no end ${"\u001b".repeat(50)}\u202e\u2066\ufeff`;
  for (const line of of(hostile, 1000)) assert.not.match(line, /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u);
});

test("consoleLines() keeps the last state of a progress bar, and truncates a long line", () => {
  assert.equal(of("1%\r50%\r100%\r\n"), ["100%"]);
  assert.is(of("x".repeat(5000))[0]?.length, 401);
});

test("consoleLines() takes less than 5 s for a MiB of escapes", () => {
  const startedMs = performance.now();
  for (const text of ["\u001b[", "\u001b]", "\u001b", "\u001b[0", "\u001b "]) of(text.repeat(2 ** 20 / text.length));
  assert.ok(performance.now() - startedMs < 5_000);
});

test.run();
