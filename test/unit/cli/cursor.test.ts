import { suite } from "uvu";
import * as assert from "uvu/assert";
import { Cursor } from "../../../lib/cli/cursor.ts";
import { Steps } from "../../../lib/cli/terminal.ts";

const test = suite("cursor");
const CLEAR = "\r\u001b[K";

/** Steps and a build's output on one terminal. */
function terminal({ columns = 80, plain = false } = {}) {
  const cursor = new Cursor();
  let text = "";
  const size = { columns };
  const out = {
    isTTY: true,
    get columns() {
      return size.columns;
    },
    write: (piece: string) => (text += piece),
  };
  const steps = new Steps(out, { cursor, plain });
  const output = (bytes: string) => {
    text += cursor.beforeOutput() + bytes;
    cursor.afterOutput(Buffer.from(bytes));
  };
  return { cursor, steps, size, output, text: () => text };
}

test("a line of the program begins on a new line when the build's output stopped in mid-line", () => {
  const { steps, output, text } = terminal();
  output("50 %");
  steps.print("note");
  steps.print("next");
  assert.is(text(), `50 %\nnote\n${CLEAR}next\n`);
});

test("escape sequences behind a line break do not count as a line", () => {
  const { steps, output, text } = terminal();
  output("red\r\n\u001b[0m\u001b[K");
  steps.print("note");
  assert.is(text(), `red\r\n\u001b[0m\u001b[K\u001b[0m${CLEAR}note\n`);
});

test("a line of the program has default colours after output in colour", () => {
  const { steps, output, text } = terminal();
  output("\u001b[31mred");
  steps.print("note");
  steps.print("next");
  assert.is(text(), `\u001b[31mred\u001b[0m\nnote\n${CLEAR}next\n`);
});

test("the build's output erases the step that is shown in place, and the step keeps the output", () => {
  const { steps, output, text } = terminal();
  steps.begin("Step");
  output("log");
  steps.complete("ok");
  assert.is(text(), `${CLEAR}Step: ${CLEAR}log\nStep: ok\n`);
});

test("restore() resets colours and cursor only after escape sequences, and ends an open line", () => {
  const { cursor, output } = terminal();
  assert.is(cursor.restore(false), "");
  output("half");
  assert.is(cursor.restore(false), "\n");
  output("\u001b[31m\u001b[?25lred");
  assert.is(cursor.restore(false), "\u001b[0m\u001b[?25h\n");
  assert.is(cursor.restore(false), "");
});

test("plain steps on a terminal have no escape sequences", () => {
  const { cursor, steps, output, text } = terminal({ plain: true });
  steps.begin("Step");
  steps.update("one");
  output("half");
  steps.complete("ok");
  output("\u001b[31m");
  assert.is(text(), "Step: one\nhalf\nStep: ok\n\u001b[31m");
  assert.is(cursor.restore(true), "");
});

test("a long title is shortened, and a new size of the terminal counts at once", () => {
  const { steps, size, text } = terminal({ columns: 40 });
  steps.begin("Transferring a-very-long-name-of-an-image.sif");
  steps.update(" 50% 1.0 MiB/2.0 MiB");
  size.columns = 30;
  steps.update(" 60% 1.2 MiB/2.0 MiB");
  const [, , before = "", after = ""] = text().split(CLEAR);
  assert.is(before, "Transferring a-v…:  50% 1.0 MiB/2.0 MiB");
  assert.ok(after.length < 30 && after.includes("1.2 MiB/2.0"), after);
});

test("a result without a step has no title: cb-attach shows steps that began before it", () => {
  const { steps, text } = terminal({ plain: true });
  steps.update("position 1");
  steps.complete("Connected");
  assert.is(text(), "position 1\nConnected\n");
});

test("wide characters count as two columns", () => {
  const { steps, text } = terminal({ columns: 10 });
  steps.begin("図書館図書館");
  assert.is(text(), `${CLEAR}図書館図`);
});

test.run();
