/** Builders that fall silent, in real sandboxes: noticed by three questions that do not come. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { BuilderLossStack, SLOW } from "../../support/queue/builder-loss-stack.ts";
import { recipe } from "../../support/recipe/recipes.ts";

const test = suite<{ bed: BuilderLossStack }>("a builder that falls silent");

test.before(async (context) => {
  context.bed = await BuilderLossStack.start();
});
test.after(async ({ bed }) => {
  await bed?.stop();
});

test("an agent that is frozen, and a network that is cut, are noticed, and their builds go on elsewhere", async ({
  bed,
}) => {
  const slow = recipe(bed.stack, "slow", SLOW);
  const [frozen, cut] = [bed.begin("frozen", slow), bed.begin("cut", slow)];
  const [{ pid }] = await Promise.all([
    bed.hit(frozen, { part: "agent", signal: "SIGSTOP" }),
    bed.hit(cut, { part: "network", signal: "SIGKILL" }),
  ]);
  const sinceMs = performance.now();
  await frozen.seen(/was lost: its agent has not asked for 30 s/);
  // The last question may have come ten seconds before the blow.
  assert.ok(performance.now() - sinceMs > 28_000);
  wake(pid);
  await bed.checkSecondAttempt("frozen", frozen, /has not asked for 30 s/);
  await bed.checkSecondAttempt("cut", cut, /has not asked for 30 s/);
  await bed.checkNothingIsLeft();
});

/** Unless its machine has been destroyed already. */
function wake(pid: number): void {
  try {
    process.kill(pid, "SIGCONT");
  } catch (error) {
    assert.is((error as NodeJS.ErrnoException).code, "ESRCH");
  }
}

test.run();
