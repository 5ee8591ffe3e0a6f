import { suite } from "uvu";
import * as assert from "uvu/assert";
import { Steps } from "../../../../lib/cli/terminal.ts";
import { BuildSteps } from "../../../../lib/cli/watch/build-steps.ts";
import type { BuildState } from "../../../../lib/protocol/build-messages.ts";

const test = suite("BuildSteps");

const builder = "60c95481-92f3-4491-94d3-14c45bfbc279";
const queued = (reason: string) => ({ v: 1, state: "queued", position: 1, reason }) as const;
const leased = (attempt: number) => ({ v: 1, state: "leased", attempt, builder, host: `host-${attempt}` }) as const;
const building: Extract<BuildState, { state: "building" }> = { v: 1, state: "building" };

function scene() {
  let text = "";
  const steps = new Steps({ write: (more: string) => (text += more) });
  steps.begin("Requesting remote builder");
  return { course: new BuildSteps(steps, undefined), text: () => text };
}

test("it shows one attempt as it always did, and drops nothing", () => {
  const { course, text } = scene();
  assert.equal(
    [queued("booting"), leased(1), building].map((state) => course.show(state)),
    [false, false, false],
  );
  assert.is(
    text(),
    [
      "Requesting remote builder: position 1, booting",
      "Requesting remote builder: Connected to remote builder: host-1",
      "Transferring build context to builder: Completed",
      "",
    ].join("\n"),
  );
  assert.is(course.attempt, 1);
});

test("a build that waits again has lost its builder: said once, then another attempt", () => {
  const { course, text } = scene();
  for (const state of [leased(1), building]) course.show(state);
  assert.is(course.show(queued("it was lost")), true);
  assert.is(course.show(queued("1 builder booting")), false);
  assert.is(course.show(leased(2)), false);
  assert.is(course.attempt, 2);
  assert.match(
    text(),
    /builder: position 1, it was lost\n.*1 builder booting\nAttempt 2: the builder was lost\n.*host-2/,
  );
});

test("a second lease of which nothing was said before drops what was begun, too, and says why", () => {
  const { course, text } = scene();
  course.show(leased(1));
  assert.is(course.show({ ...leased(2), lost: "builder host-1 was lost: its machine is in error" }), true);
  assert.match(text(), "Attempt 2: builder host-1 was lost: its machine is in error\n");
});

test("a lease that is told twice is one", () => {
  const { course, text } = scene();
  course.show(leased(1));
  assert.is(course.show(leased(1)), false);
  assert.is(text().match(/host-1/g)?.length, 1);
});

test.run();
