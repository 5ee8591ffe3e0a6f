/**
 * The queue is killed between two steps of a build, and started again. queue-killed.full.test.ts kills it before and after
 * every step; queue-away.full.test.ts tests clients and builds while no queue runs.
 */
// slow: eight queues are killed and started again, each under a build.
// timeout: 400 s
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { BUILD_STEPS, CANCEL_STEPS } from "../../support/queue/kill-points.ts";
import { KillTestStack } from "../../support/queue/kill-test-stack.ts";
import { counted, countedIn, counting } from "../../support/recipe/recipes.ts";

/** Steps after which only the next queue can finish or undo the work. */
const STEPS = [
  "the build's stream is created",
  "the build's record is created",
  "the builder's lease is recorded",
  "the space for the image is reserved",
  "the end is recorded",
  "`received` is recorded",
];

const test = suite<{ killed: KillTestStack }>("queue killed");

test.before(async (context) => {
  context.killed = await KillTestStack.start();
});
test.after(async ({ killed }) => {
  await killed?.stop();
});

for (const description of STEPS) {
  test(`killed after ${description}, the queue finishes the build and leaves nothing behind`, async ({ killed }) => {
    const step = BUILD_STEPS[description];
    if (step === undefined) throw new Error(`no step ${description}`);
    await killed.checkBuild({ ...step, when: "after" });
  });
}

for (const [description, step] of Object.entries(CANCEL_STEPS).slice(0, 1)) {
  test(`killed after ${description}, the queue ends the build and leaves nothing behind`, async ({ killed }) => {
    await killed.checkCancel({ ...step, when: "after" });
  });
}

test("a build continues and prints lines while no queue runs, and ends under the next queue", async ({ killed }) => {
  const { stack, queue } = killed;
  const running = stack.start("container-builder", [stack.path("x.sif"), counting(stack, "streams", 30)]);
  await running.seen(/line 3\n/);
  await queue.kill();
  await running.seen(/line 30\n/);
  await killed.start();
  const { code, stdout, stderr } = await running.finished;
  assert.is(code, 0, stderr);
  assert.equal(countedIn(stdout), counted(30));
});

test.run();
