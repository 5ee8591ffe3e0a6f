/**
 * The queue is killed at points of a build's life where one thing is done and the next is not, and started again. The other
 * points, and the other side of these, are in queue-killed.full.test.ts, and more of what happens meanwhile in queue-away.full.test.ts.
 */
// slow: eight queues are killed and started again, each under a build.
// timeout: 400 s
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { BUILD_DEEDS, CANCEL_DEEDS } from "../../support/queue/kill-points.ts";
import { KilledQueue } from "../../support/queue/killed-queue.ts";
import { counted, countedIn, counting } from "../../support/recipe/recipes.ts";

/** Where half of something is done that only the next queue can finish, or undo. */
const POINTS = [
  "the build's stream is made",
  "the build's record is created",
  "the builder's lease is recorded",
  "room for the image is made",
  "the end is recorded",
  "`received` is recorded",
];

const test = suite<{ killed: KilledQueue }>("queue killed");

test.before(async (context) => {
  context.killed = await KilledQueue.start();
});
test.after(async ({ killed }) => {
  await killed?.stop();
});

for (const words of POINTS) {
  test(`killed after ${words}, the queue brings the build to its end and leaves nothing behind`, async ({ killed }) => {
    const deed = BUILD_DEEDS[words];
    if (deed === undefined) throw new Error(`no deed ${words}`);
    await killed.survives({ ...deed, when: "after" });
  });
}

for (const [words, deed] of Object.entries(CANCEL_DEEDS).slice(0, 1)) {
  test(`killed after ${words}, the queue ends the build and leaves nothing behind`, async ({ killed }) => {
    await killed.survivesCancel({ ...deed, when: "after" });
  });
}

test("a build goes on while no queue runs, its lines arrive meanwhile, and it ends under the next one", async ({
  killed,
}) => {
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
