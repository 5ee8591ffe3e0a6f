import { suite } from "uvu";
import * as assert from "uvu/assert";
import { CbError } from "../../../../lib/core/errors.ts";
import { createLogger } from "../../../../lib/core/log.ts";
import { RefusalLog } from "../../../../lib/queue/api/refusal-log.ts";
import { ManualClock } from "../../../support/manual-clock.ts";

const test = suite("RefusalLog");

function setUp() {
  const lines: Record<string, unknown>[] = [];
  const destination = { write: (line: string) => void lines.push(JSON.parse(line)) };
  const clock = new ManualClock(1_000_000);
  return { lines, clock, refusals: new RefusalLog({ clock, log: createLogger({ name: "test", destination }) }) };
}

const bad = new CbError("usage", "not JSON");
const more = (line: Record<string, unknown> | undefined) => [line?.msg, line?.counts, line?.others];
const MORE = "more requests were refused than are logged";

test("five refusals of a subject are logged, and a minute later the number of all", () => {
  const { lines, clock, refusals } = setUp();
  for (let n = 0; n < 1_000; n++) refusals.add("queue.reserve.mallory", bad);
  refusals.add("queue.reserve.ada", bad);
  assert.is(lines.length, 6);
  assert.is(lines[0]?.reason, "not JSON");
  clock.jump(59_999);
  refusals.flushIfDue();
  assert.is(lines.length, 6);
  clock.jump(1);
  refusals.flushIfDue();
  assert.equal(more(lines[6]), [MORE, { "queue.reserve.mallory": 1_000 }, 0]);
  refusals.add("queue.reserve.mallory", bad);
  assert.is(lines.length, 8);
});

test("refusals on more than a hundred subjects in a minute are counted together", () => {
  const { lines, refusals } = setUp();
  for (let n = 0; n < 103; n++) refusals.add(`queue.reserve.user${n}`, bad);
  assert.is(lines.length, 100);
  refusals.flush();
  assert.equal(more(lines[100]), [MORE, {}, 3]);
});

test("no count is logged when every refusal has its line; a clock that is set back ends the window", () => {
  const { lines, clock, refusals } = setUp();
  refusals.add("queue.reserve.ada", bad);
  clock.jump(60_000);
  refusals.flushIfDue();
  refusals.flush();
  assert.is(lines.length, 1);
  for (let n = 0; n < 6; n++) refusals.add("queue.reserve.ada", bad);
  clock.jump(-300_000);
  refusals.flushIfDue();
  assert.equal(more(lines.at(-1)), [MORE, { "queue.reserve.ada": 6 }, 0]);
});

test("a failure of the queue is logged as an error with its cause, a faulty request as a warning", () => {
  const { lines, refusals } = setUp();
  refusals.add("a", new CbError("infrastructure", "the queue failed", { cause: new Error("boom") }));
  refusals.add("a", bad);
  assert.equal(
    lines.map(({ level }) => level),
    [50, 40],
  );
  assert.match(JSON.stringify(lines[0]), "boom");
});

test.run();
