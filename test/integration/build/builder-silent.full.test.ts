/** Builders in sandboxes stop sending heartbeats: the queue notices after three missing ones. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { BuilderLossStack, SLOW } from "../../support/queue/builder-loss-stack.ts";
import { recipe } from "../../support/recipe/recipes.ts";

const test = suite<{ bed: BuilderLossStack }>("silent builder");

test.before(async (context) => {
  context.bed = await BuilderLossStack.start();
});
test.after(async ({ bed }) => {
  await bed?.stop();
});

test("a frozen agent and a lost network are noticed, and their builds get a second attempt", async ({ bed }) => {
  const slow = recipe(bed.stack, "slow", SLOW);
  const [frozen, unplugged] = [bed.begin("frozen", slow), bed.begin("unplugged", slow)];
  const [{ pid }] = await Promise.all([
    bed.hit(frozen, { part: "agent", signal: "SIGSTOP" }),
    bed.hit(unplugged, { part: "network", signal: "SIGKILL" }),
  ]);
  const sinceMs = performance.now();
  await frozen.seen(/was lost: its agent has not asked for 30 s/);
  // The last heartbeat may be up to ten seconds older than the signal.
  assert.ok(performance.now() - sinceMs > 28_000);
  resume(pid);
  await bed.checkSecondAttempt("frozen", frozen, /has not asked for 30 s/);
  await bed.checkSecondAttempt("unplugged", unplugged, /has not asked for 30 s/);
  await bed.checkNothingIsLeft();
});

/** Continues the process, unless its machine has been destroyed already. */
function resume(pid: number): void {
  try {
    process.kill(pid, "SIGCONT");
  } catch (error) {
    assert.is((error as NodeJS.ErrnoException).code, "ESRCH");
  }
}

test.run();
