import { suite } from "uvu";
import * as assert from "uvu/assert";
import { Steps } from "../../../../lib/cli/terminal.ts";
import { TransferProgress } from "../../../../lib/cli/watch/transfer-progress.ts";

const test = suite("TransferProgress");

const MIB = 2 ** 20;
const TITLE = "Transferring image.sif";

/** The line of a transfer that begins, on a terminal of this width. */
function lineOn(columns: number, title = TITLE): string {
  let text = "";
  const steps = new Steps({ isTTY: true, columns, write: (piece) => (text += piece) });
  steps.begin(title);
  new TransferProgress(steps, title, 100 * MIB).show(0);
  return text.split("\r\u001b[K").at(-1) ?? "";
}

test("the bar gets the columns that the title leaves, and the last column stays empty", () => {
  assert.is(lineOn(60), `${TITLE}: [${" ".repeat(14)}]   0% 0 B/100.0 MiB`);
  assert.is(lineOn(60).length, 59);
  assert.is(lineOn(59).length, 58);
  assert.is(lineOn(200), `${TITLE}: [${" ".repeat(30)}]   0% 0 B/100.0 MiB`);
});

test("a narrow terminal has no bar, and a long title is shortened for the figures", () => {
  assert.is(lineOn(50), `${TITLE}:   0% 0 B/100.0 MiB`);
  const line = lineOn(80, `Transferring ${"x".repeat(100)}`);
  assert.match(line, /^Transferring x+…: {3}0% 0 B\/100\.0 MiB$/);
  assert.is(line.length, 79);
});

test.run();
