import { suite } from "uvu";
import * as assert from "uvu/assert";
import { CbError } from "../../../../lib/core/errors.ts";
import { createLogger } from "../../../../lib/core/log.ts";
import { Refusals } from "../../../../lib/queue/api/refusals.ts";
import { ManualClock } from "../../../support/manual-clock.ts";

const test = suite("Refusals");

function scene() {
  const lines: Record<string, unknown>[] = [];
  const destination = { write: (line: string) => void lines.push(JSON.parse(line)) };
  const clock = new ManualClock(1_000_000);
  return { lines, clock, refusals: new Refusals({ clock, log: createLogger({ name: "test", destination }) }) };
}

const bad = new CbError("usage", "not JSON");
const more = (line: Record<string, unknown> | undefined) => [line?.msg, line?.counts, line?.others];
const MORE = "more was refused than has a line here";

test("five of a subject have a line, and a minute later a line says how many there were", () => {
  const { lines, clock, refusals } = scene();
  for (let n = 0; n < 1_000; n++) refusals.note("queue.reserve.mallory", bad);
  refusals.note("queue.reserve.ada", bad);
  assert.is(lines.length, 6);
  assert.is(lines[0]?.reason, "not JSON");
  clock.jump(59_999);
  refusals.tell();
  assert.is(lines.length, 6);
  clock.jump(1);
  refusals.tell();
  assert.equal(more(lines[6]), [MORE, { "queue.reserve.mallory": 1_000 }, 0]);
  refusals.note("queue.reserve.mallory", bad);
  assert.is(lines.length, 8);
});

test("subjects beyond a hundred in one minute are counted together", () => {
  const { lines, refusals } = scene();
  for (let n = 0; n < 103; n++) refusals.note(`queue.reserve.user${n}`, bad);
  assert.is(lines.length, 100);
  refusals.flush();
  assert.equal(more(lines[100]), [MORE, {}, 3]);
});

test("nothing is said where every refusal has its line, and a clock that is set back ends a window", () => {
  const { lines, clock, refusals } = scene();
  refusals.note("queue.reserve.ada", bad);
  clock.jump(60_000);
  refusals.tell();
  refusals.flush();
  assert.is(lines.length, 1);
  for (let n = 0; n < 6; n++) refusals.note("queue.reserve.ada", bad);
  clock.jump(-300_000);
  refusals.tell();
  assert.equal(more(lines.at(-1)), [MORE, { "queue.reserve.ada": 6 }, 0]);
});

test("a failure of ours is an error with its cause, the principal's fault a warning", () => {
  const { lines, refusals } = scene();
  refusals.note("a", new CbError("infrastructure", "the queue failed", { cause: new Error("boom") }));
  refusals.note("a", bad);
  assert.equal(
    lines.map(({ level }) => level),
    [50, 40],
  );
  assert.match(JSON.stringify(lines[0]), "boom");
});

test.run();
