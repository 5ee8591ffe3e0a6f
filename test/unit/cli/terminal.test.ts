import { suite } from "uvu";
import * as assert from "uvu/assert";
import { Steps } from "../../../lib/cli/terminal.ts";

const test = suite("steps");

function recorder(isTTY: boolean) {
  let text = "";
  const steps = new Steps({ isTTY, columns: 20, write: (piece) => (text += piece) });
  return { steps, text: () => text };
}

test("Steps writes whole lines to other outputs than terminals, and the same update once", () => {
  const { steps, text } = recorder(false);
  steps.begin("A");
  steps.update("one");
  steps.update("one");
  steps.update("two");
  steps.complete("ok");
  steps.print("B");
  assert.is(text(), "A: one\nA: two\nA: ok\nB\n");
});

test("Steps overwrites the current step on a terminal, truncated to its width", () => {
  const { steps, text } = recorder(true);
  steps.begin("A");
  steps.update("0123456789012345678901234567890");
  steps.complete("ok");
  const lines = text().split("\r\u001b[K");
  assert.equal(lines, ["", "A: ", "A: 0123456789012345", "A: ok\n"]);
});

test("Steps.close() moves the cursor to the start of a line", () => {
  const { steps, text } = recorder(true);
  steps.begin("A");
  steps.close();
  assert.ok(text().endsWith("\n"));
});

test.run();
