import { suite } from "uvu";
import * as assert from "uvu/assert";
import { Steps } from "../../../lib/cli/terminal.ts";

const test = suite("steps");

function recorder(isTTY: boolean) {
  let text = "";
  const steps = new Steps({ isTTY, columns: 20, write: (piece) => (text += piece) });
  return { steps, text: () => text };
}

test("Steps writes whole lines where there is no terminal, and repeats no news", () => {
  const { steps, text } = recorder(false);
  steps.begin("A");
  steps.news("one");
  steps.news("one");
  steps.news("two");
  steps.done("ok");
  steps.line("B");
  assert.is(text(), "A: one\nA: two\nA: ok\nB\n");
});

test("Steps overwrites the step under way on a terminal, and never beyond its width", () => {
  const { steps, text } = recorder(true);
  steps.begin("A");
  steps.news("0123456789012345678901234567890");
  steps.done("ok");
  const lines = text().split("\r\u001b[K");
  assert.equal(lines, ["", "A: ", "A: 0123456789012345", "A: ok\n"]);
});

test("Steps.end() leaves the cursor at the start of a line", () => {
  const { steps, text } = recorder(true);
  steps.begin("A");
  steps.end();
  assert.ok(text().endsWith("\n"));
});

test.run();
