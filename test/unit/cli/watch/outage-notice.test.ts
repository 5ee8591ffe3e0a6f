import { suite } from "uvu";
import * as assert from "uvu/assert";
import { Steps } from "../../../../lib/cli/terminal.ts";
import { outageNotice } from "../../../../lib/cli/watch/outage-notice.ts";

const test = suite("outage notice");

/** Reports at a given time, in milliseconds, and the lines printed so far. */
function setUp() {
  let nowMs = 0;
  const lines: string[] = [];
  const steps = new Steps({ write: (text: string) => lines.push(text) });
  const notice = outageNotice(steps, () => nowMs);
  const at = (timeMs: number, silentMs: number, isRefused?: boolean): void => {
    nowMs = timeMs;
    notice(silentMs, isRefused);
  };
  return { at, lines };
}

const SILENT = "NATS does not answer; waiting\n";

test("an outage has one pair of lines, the second with its length, however many reports there are", () => {
  const { at, lines } = setUp();
  at(5_000, 5_000);
  at(6_000, 6_000);
  at(41_900, 41_900);
  assert.equal(lines, [SILENT]);
  at(42_000, 0);
  at(43_000, 0);
  assert.equal(lines, [SILENT, "NATS answers again after 42 s\n"]);
});

test("a second reader that still waits does not begin an ended outage anew, and a later outage has its own lines", () => {
  const { at, lines } = setUp();
  at(5_000, 5_000);
  at(10_000, 0);
  at(10_500, 10_500);
  assert.is(lines.length, 2);
  at(10_600, 0);
  at(20_000, 9_999);
  assert.equal(lines.slice(2), [SILENT]);
  at(21_000, 0);
  assert.equal(lines.slice(3), ["NATS answers again after 11 s\n"]);
});

test("an upload that NATS refuses has its own pair of lines", () => {
  const { at, lines } = setUp();
  at(5_000, 5_000, true);
  at(6_000, 6_000, false);
  at(42_000, 0, false);
  assert.equal(lines, [
    "NATS stores no messages (is its disk full?); waiting\n",
    "NATS stores messages again after 42 s\n",
  ]);
});

test("an answer without an outage prints nothing", () => {
  const { at, lines } = setUp();
  at(1_000, 0);
  assert.equal(lines, []);
});

test.run();
