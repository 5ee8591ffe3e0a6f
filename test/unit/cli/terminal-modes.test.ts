import { suite } from "uvu";
import * as assert from "uvu/assert";
import { Cursor } from "../../../lib/cli/cursor.ts";
import { TerminalModes } from "../../../lib/cli/terminal-modes.ts";

const test = suite("terminal modes");

function resetAfter(...pieces: string[]): string {
  const modes = new TerminalModes();
  for (const piece of pieces) modes.observe(Buffer.from(piece, "latin1"));
  return modes.reset();
}

test("each mode that the build has changed and not restored is reset, once", () => {
  const cases: [string, string][] = [
    ["\u001b[?1049h", "\u001b[?1049l"],
    ["\u001b[?1000h\u001b[?1006h", "\u001b[?1000l\u001b[?1006l"],
    ["\u001b[?1000;1006h", "\u001b[?1000l\u001b[?1006l"],
    ["\u001b[?2004h", "\u001b[?2004l"],
    ["\u001b[?7l", "\u001b[?7h"],
    ["\u001b[0;23r", "\u001b7\u001b[r\u001b8"],
    ["\u001b[4h", "\u001b[4l"],
    ["\u001b=", "\u001b>"],
    ["\u001b(0", "\u001b(B"],
    ["\u000e", "\u000f"],
  ];
  for (const [change, reset] of cases) {
    assert.is(resetAfter(change), reset, JSON.stringify(change));
    assert.is(resetAfter(change, "text", change), reset, JSON.stringify(change));
    assert.is(resetAfter(change, reset), "", JSON.stringify(change));
    assert.is(resetAfter(change, "\u001bc"), "", "after a full reset by the build");
  }
});

test("colours, titles and unknown modes are not reset", () => {
  for (const text of ["plain", "\u001b[31mred", "\u001b]0;title\u0007", "\u001b[?12h", "\u001b[?99999h", "\u001b[2J"])
    assert.is(resetAfter(text), "", JSON.stringify(text));
});

test("a sequence may be cut between any two pieces of output", () => {
  const text = "\u001b[?1049h\u001b[?1000h\u001b[?1000l";
  for (let cut = 0; cut <= text.length; cut++)
    assert.is(resetAfter(text.slice(0, cut), text.slice(cut)), "\u001b[?1049l", `${cut}`);
  assert.is(resetAfter(...text), "\u001b[?1049l");
});

test("reset() forgets what it has reset", () => {
  const modes = new TerminalModes();
  modes.observe(Buffer.from("\u001b[?1049h"));
  assert.ok(modes.isAlternateScreen);
  modes.reset();
  modes.observe(Buffer.from("text"));
  assert.not.ok(modes.isAlternateScreen);
  assert.is(modes.reset(), "");
});

test("a line of the program is on the first screen, on a line of its own; a plain program writes no sequence", () => {
  const cursor = new Cursor();
  cursor.afterOutput(Buffer.from("\u001b[?1049h\u001b[?1000hmenu\n"));
  assert.is(cursor.beforeOwnLine(false), "\u001b[?1049l\u001b[?1000l\u001b[0m\n");
  cursor.afterOutput(Buffer.from("\u001b[?2004h> "));
  assert.is(cursor.restore(false), "\u001b[?2004l\u001b[0m\u001b[?25h\n");
  cursor.afterOutput(Buffer.from("\u001b[?1049hmenu\n"));
  assert.is(cursor.beforeOwnLine(true), "");
});

test.run();
