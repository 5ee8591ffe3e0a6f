/** The queue is killed before and after each step of a build, and started again. */
// timeout: 1500 s
import { suite } from "uvu";
import {
  BUILD_STEPS,
  BUILDER_STEPS,
  CANCEL_STEPS,
  CONTEXT_STEPS,
  type QueueStep,
} from "../../support/queue/kill-points.ts";
import { KillTestStack } from "../../support/queue/kill-test-stack.ts";
import type { KillPoint } from "../../support/queue/killable-queue.ts";

const test = suite<{ killed: KillTestStack }>("queue killed everywhere");

test.before(async (context) => {
  context.killed = await KillTestStack.start();
});
test.after(async ({ killed }) => {
  await killed?.stop();
});

/** A create that may have been sent blocks its slot for two minutes, because the provider may still create the machine. */
const CREATE_CLEAN_MS = 150_000;

type Check = (killed: KillTestStack, point: KillPoint) => Promise<void>;

function testEach(steps: Readonly<Record<string, QueueStep>>, check: Check): void {
  for (const [description, step] of Object.entries(steps)) {
    for (const when of ["before", "after"] as const) {
      test(`killed ${when} ${description}, the queue continues after a restart`, async ({ killed }) => {
        await check(killed, { ...step, when });
      });
    }
  }
}

testEach(BUILD_STEPS, (killed, point) => killed.checkBuild(point));
testEach(CONTEXT_STEPS, (killed, point) => killed.checkBuild(point, { files: true }));
testEach(CANCEL_STEPS, (killed, point) => killed.checkCancel(point));
testEach(BUILDER_STEPS, (killed, point) => killed.checkBuild(point, { cleanWithinMs: CREATE_CLEAN_MS }));

test.run();
