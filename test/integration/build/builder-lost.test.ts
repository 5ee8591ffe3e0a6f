/** Builders in sandboxes are killed during builds: each build gets a second attempt, and nothing of the first remains. */
// slow: three builds with two attempts each.
import { readdirSync } from "node:fs";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { BuilderLossStack, SLOW } from "../../support/queue/builder-loss-stack.ts";
import { endless, recipe } from "../../support/recipe/recipes.ts";

const test = suite<{ bed: BuilderLossStack }>("lost builder");

test.before(async (context) => {
  context.bed = await BuilderLossStack.start();
});
test.after(async ({ bed }) => {
  await bed?.stop();
});

test("a build succeeds in its second attempt after its agent or its sandbox was killed", async ({ bed }) => {
  const slow = recipe(bed.stack, "slow", SLOW);
  const [agent, sandbox] = [bed.begin("agent", slow), bed.begin("sandbox", slow)];
  await Promise.all([
    bed.hit(agent, { part: "agent", signal: "SIGKILL" }),
    bed.hit(sandbox, { part: "sandbox", signal: "SIGKILL" }),
  ]);
  await bed.checkSecondAttempt("agent", agent, /builder cb-\w+ was lost: its machine is in error/);
  await bed.checkSecondAttempt("sandbox", sandbox, /builder cb-\w+ was lost: its machine is in error/);
  await bed.checkNothingIsLeft();
});

test("a build ends after two lost builders: exit code 75 with both reasons, no file, nothing left", async ({ bed }) => {
  const running = bed.begin("twice", endless(bed.stack, "twice"));
  const first = await bed.hit(running, { part: "agent", signal: "SIGKILL" });
  const second = await bed.hit(running, { part: "sandbox", signal: "SIGKILL", attempt: 2 });
  const { code, stderr } = await running.finished;
  assert.is(code, 75, stderr);
  const [one, two] = [first, second].map(({ builder }) => `builder cb-${builder.slice(0, 8)} was lost: `);
  assert.match(stderr, new RegExp(`the build was lost: ${one}.*; then ${two}`));
  assert.equal(readdirSync(bed.stack.path("twice")), []);
  await bed.checkNothingIsLeft();
});

test.run();
