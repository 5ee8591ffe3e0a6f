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

function setUp({ hasContext = true } = {}) {
  let text = "";
  const steps = new Steps({ write: (more: string) => (text += more) });
  steps.begin("Requesting remote builder");
  return { buildSteps: new BuildSteps(steps, { timeLeft: undefined, hasContext }), text: () => text };
}

test("show() prints the steps of one attempt, and returns false", () => {
  const { buildSteps, text } = setUp();
  assert.equal(
    [queued("booting"), leased(1), building].map((state) => buildSteps.show(state)),
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
  assert.is(buildSteps.attempt, 1);
});

test("show() prints no line about a context that the build does not have", () => {
  const { buildSteps, text } = setUp({ hasContext: false });
  for (const state of [leased(1), building]) buildSteps.show(state);
  assert.is(text(), "Requesting remote builder: Connected to remote builder: host-1\n");
});

test("show() prints the position among the waiting builds", () => {
  const { buildSteps, text } = setUp();
  buildSteps.show({ v: 1, state: "queued", position: 2, waiting: 7, reason: "all 2 builders busy" });
  assert.is(text(), "Requesting remote builder: 2 of 7, all 2 builders busy\n");
});

test("show() returns true once for a build that is queued again, and prints the second attempt", () => {
  const { buildSteps, text } = setUp();
  for (const state of [leased(1), building]) buildSteps.show(state);
  assert.is(buildSteps.show(queued("it was lost")), true);
  assert.is(buildSteps.show(queued("1 builder booting")), false);
  assert.is(buildSteps.show(leased(2)), false);
  assert.is(buildSteps.attempt, 2);
  assert.match(
    text(),
    /builder: position 1, it was lost\n.*1 builder booting\nAttempt 2: the builder was lost\n.*host-2/,
  );
});

test("show() returns true for a second lease without a queued state, and prints the reason", () => {
  const { buildSteps, text } = setUp();
  buildSteps.show(leased(1));
  assert.is(buildSteps.show({ ...leased(2), lost: "builder host-1 was lost: its machine is in error" }), true);
  assert.match(text(), "Attempt 2: builder host-1 was lost: its machine is in error\n");
});

test("show() ignores a lease that is published twice", () => {
  const { buildSteps, text } = setUp();
  buildSteps.show(leased(1));
  assert.is(buildSteps.show(leased(1)), false);
  assert.is(text().match(/host-1/g)?.length, 1);
});

test("show() prints no line for a second building state, and Steps prints no empty title", () => {
  const { buildSteps, text } = setUp();
  for (const state of [leased(1), building, building]) buildSteps.show(state);
  assert.is(text().match(/Completed/g)?.length, 1);
  let alone = "";
  const steps = new Steps({ write: (line: string) => (alone += line) });
  steps.update("position 1");
  steps.complete("Connected");
  assert.is(alone, "position 1\nConnected\n");
});

test("on a terminal show() adds the time waited after a second, and no longer once the build has a builder", async () => {
  let written = "";
  let isSeen: () => void = () => undefined;
  const seen = new Promise<void>((resolve) => {
    isSeen = resolve;
  });
  const write = (more: string) => {
    written += more;
    if (/2 of 7, booting \(waiting for [1-9]\d*s\)/.test(written)) isSeen();
    return true;
  };
  const steps = new Steps({ isTTY: true, columns: 80, write });
  steps.begin("Requesting remote builder");
  const buildSteps = new BuildSteps(steps, { timeLeft: undefined, hasContext: false });
  buildSteps.show({ v: 1, state: "queued", position: 2, waiting: 7, reason: "booting" });
  assert.match(written, "2 of 7, booting");
  assert.not.match(written, "waiting for");
  await seen;
  buildSteps.show(leased(1));
  assert.match(written, "Connected to remote builder: host-1");
});

test.run();
