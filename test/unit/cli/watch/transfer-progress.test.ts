import { suite } from "uvu";
import * as assert from "uvu/assert";
import { Steps } from "../../../../lib/cli/terminal.ts";
import { TransferProgress } from "../../../../lib/cli/watch/transfer-progress.ts";

const test = suite("TransferProgress");

const MIB = 2 ** 20;
const TITLE = "Transferring image.sif";

/** The line of a transfer that begins, on a terminal of this width. */
const lineOn = (columns: number, title = TITLE): string => lastLine(columns, title, (progress) => progress.show(0));

/** The line of a transfer that is half done after a second of the platform's clock. */
function lineAfterASecond(columns: number): string {
  const { now } = performance;
  let nowMs = 1_000;
  performance.now = () => nowMs;
  try {
    return lastLine(columns, TITLE, (progress) => {
      nowMs += 1_000;
      progress.show(50 * MIB);
    });
  } finally {
    performance.now = now;
  }
}

function lastLine(columns: number, title: string, work: (progress: TransferProgress) => void): string {
  let text = "";
  const steps = new Steps({ isTTY: true, columns, write: (piece) => (text += piece) });
  steps.begin(title);
  work(new TransferProgress(steps, title, 100 * MIB));
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

test("rate and time left are shown when they leave four columns for the title, and the last one empty", () => {
  const figures = " 50% 50.0 MiB/100.0 MiB 50.0 MiB/s, 1s left";
  assert.is(lineAfterASecond(figures.length + 7), `Tra…: ${figures}`);
  assert.is(lineAfterASecond(figures.length + 6), `${TITLE}:  50% 50.0 MiB/100.0 MiB`);
});

test.run();
