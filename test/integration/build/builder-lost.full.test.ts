/** Builders in sandboxes are killed during the transfer of the image, or shortly before the queue is. */
import { appendFileSync, mkdirSync, writeFileSync } from "node:fs";
import { suite } from "uvu";
import { BuilderLossStack, SLOW } from "../../support/queue/builder-loss-stack.ts";
import { recipe } from "../../support/recipe/recipes.ts";

const test = suite<{ bed: BuilderLossStack }>("lost builder at a bad moment");

test.before(async (context) => {
  context.bed = await BuilderLossStack.start();
});
test.after(async ({ bed }) => {
  await bed?.stop();
});

test("a builder is lost during the transfer of its image: the next one has the context, and its image arrives complete", async ({
  bed,
}) => {
  const { stack } = bed;
  mkdirSync(stack.path("files"));
  writeFileSync(stack.path("files", "large"), Buffer.alloc(400 * 1024, "x"));
  const post = "    ls -l /large\n    dd if=/dev/urandom of=/random bs=1M count=100 2>/dev/null\n    echo it is done";
  const path = recipe(stack, "image", post);
  appendFileSync(path, `\n%files\n    ${stack.path("files", "large")} /large\n`);
  const running = bed.begin("image", path);
  await running.seen(/it is done/);
  await stack.fileIn("image");
  process.kill(await bed.pidOf(await bed.builderOf(running, 1), "sandbox"), "SIGKILL");
  await bed.checkSecondAttempt("image", running, /was lost: its machine/);
  await bed.checkNothingIsLeft();
});

test("a queue that is killed between two attempts leases the second one exactly once", async ({ bed }) => {
  const running = bed.begin("queue", recipe(bed.stack, "slow", SLOW));
  await bed.hit(running, { part: "sandbox", signal: "SIGKILL" });
  await running.seen(/waiting until its machine is gone/);
  await bed.stack.queueEnds("SIGKILL");
  await bed.stack.up();
  await bed.checkSecondAttempt("queue", running, /was lost: its machine/);
  await bed.checkNothingIsLeft();
});

test.run();
