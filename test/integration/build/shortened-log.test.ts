/** A power cut: nats-server is killed, and the last bytes of a build's log are missing on its disk. cb-attach ends all the same. */
// slow: a stack with a restart of NATS for each build.
import { readdirSync, statSync, truncateSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { buildStream } from "../../../lib/protocol/subjects.ts";
import { HELLO, recipe } from "../../support/recipe/recipes.ts";
import { type Finished, Stack } from "../../support/stack.ts";

const test = suite<{ stack: Stack }>("shortened log");

test.before(async (context) => {
  context.stack = await Stack.start();
});
test.after(async ({ stack }) => {
  await stack?.stop();
});

/** More than the end of the last message, less than the whole. */
const LOST_BYTES = 100;

/** Removes the last bytes of the newest file with messages of the build's stream. */
function shorten(stack: Stack, build: string): void {
  const store = stack.statePath("nats", "jetstream");
  const folders = readdirSync(store, { recursive: true, encoding: "utf8" });
  const blocks = folders.filter((path) => path.includes(`${buildStream(build)}/msgs/`) && path.endsWith(".blk"));
  const [newest = "none"] = blocks.sort(
    (one, other) =>
      Number.parseInt(other.split("/").at(-1) ?? "", 10) - Number.parseInt(one.split("/").at(-1) ?? "", 10),
  );
  const path = join(store, newest);
  truncateSync(path, statSync(path).size - LOST_BYTES);
}

/** The end of cb-attach after the log of this ended build was shortened while NATS did not run. */
async function attachAfterLoss(stack: Stack, ended: Finished): Promise<Finished> {
  const build = /Build ID: (\S+)/.exec(ended.stderr)?.[1] ?? "";
  await stack.natsEnds("SIGKILL");
  shorten(stack, build);
  await stack.up();
  return stack.run("cb-attach", [build, stack.path("attached.sif")]);
}

test("cb-attach says how a build failed when the end of its log is lost, and prints the rest", async ({ stack }) => {
  const failed = await stack.run("container-builder", [
    stack.path("x.sif"),
    recipe(stack, "fails", "    echo one line\n    exit 7"),
  ]);
  assert.is(failed.code, 1, failed.stderr);
  const { code, stdout, stderr } = await attachAfterLoss(stack, failed);
  assert.is(code, 1, stderr);
  assert.match(stderr, /the build failed: %post ended with exit status 7 \(the log of build \S+ is cut/);
  assert.match(stdout, "one line");
});

test("cb-attach says that an image without its digest is lost: exit code 75", async ({ stack }) => {
  const built = await stack.run("container-builder", [stack.path("hello.sif"), HELLO]);
  assert.is(built.code, 0, built.stderr);
  const { code, stderr } = await attachAfterLoss(stack, built);
  assert.is(code, 75, stderr);
  assert.match(
    stderr,
    /the log of build \S+ is cut: .*; the build succeeded, but the digest of its image is lost\n {2}build again/,
  );
});

test.run();
