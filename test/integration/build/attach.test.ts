/** Builds that go on without their terminal: watched, fetched, cancelled and listed from another terminal. */
// slow: half a dozen builds on real sandboxes.
import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { BuildsReply } from "../../../lib/protocol/builds-messages.ts";
import { endless, HELLO, recipe, uncompressed } from "../../support/recipe/recipes.ts";
import { Stack } from "../../support/stack.ts";
import { until } from "../../support/until.ts";

const test = suite<{ stack: Stack }>("attach");

test.before(async (context) => {
  context.stack = await Stack.start();
});
test.after(async ({ stack }) => {
  await stack?.stop();
});

const ID = /^Build ID: ([0-9a-f-]{36})$/m;

const buildIdIn = (stderr: string): string => ID.exec(stderr)?.[1] ?? "";

async function buildsOf(stack: Stack): Promise<BuildsReply["builds"]> {
  return (JSON.parse((await stack.run("cb-builds", ["--json"])).stdout) as BuildsReply).builds;
}

/** A build that takes long enough for a test to detach from it and to attach again, on a loaded machine too. */
const slowRecipe = (stack: Stack, name: string, seconds: number) =>
  recipe(stack, name, `    echo it has begun\n    sleep ${seconds}\n    echo it has ended`);

for (const signal of ["SIGHUP", "SIGKILL"] as const) {
  test(`after ${signal} to container-builder the build goes on, and cb-attach replays it and fetches the image`, async ({
    stack,
  }) => {
    const name = `left-${signal.toLowerCase()}`;
    const running = stack.start("container-builder", [stack.path(`${name}.sif`), slowRecipe(stack, name, 3)]);
    await running.seen(/it has begun\n/);
    running.kill(signal);
    const { code, stderr } = await running.finished;
    assert.is(code, signal === "SIGHUP" ? 130 : null);
    assert.not.ok(existsSync(stack.path(`${name}.sif`)));
    const attached = await stack.run("cb-attach", [buildIdIn(stderr)]);
    assert.is(attached.code, 0, attached.stderr);
    assert.match(attached.stdout, /it has begun\n[\s\S]*it has ended\n/);
    assert.match(attached.stderr, /^Requesting remote builder: Connected to remote builder: /m);
    assert.not.match(attached.stderr, /^(: |Connected)/m, "each step has a title");
    assert.ok(
      statSync(stack.path(`${name}.sif`)).size > 10_000,
      "the image has its original name, in the working directory",
    );
  });
}

test("cb-attach --from-now skips earlier output, also that of an ended build", async ({ stack }) => {
  const running = stack.start("container-builder", [stack.path("now.sif"), slowRecipe(stack, "now", 15)]);
  await running.seen(/it has begun\n/);
  running.kill("SIGKILL");
  const id = buildIdIn((await running.finished).stderr);
  mkdirSync(stack.path("elsewhere"));
  const attached = await stack.run("cb-attach", ["--from-now", id.slice(0, 8), stack.path("elsewhere", "now.sif")]);
  assert.is(attached.code, 0, attached.stderr);
  assert.not.match(attached.stdout, "it has begun");
  assert.match(attached.stdout, "it has ended");
  assert.ok(existsSync(stack.path("elsewhere", "now.sif")));
  const again = await stack.run("cb-attach", ["--from-now", id, stack.path("elsewhere", "again.sif")]);
  assert.is(again.code, 64, again.stderr);
  assert.match(again.stderr, "the image is not kept any more");
  assert.is(again.stdout, "");
});

test("two clients of one build both fetch its image", async ({ stack }) => {
  const post = "    echo it has begun\n    sleep 2\n    dd if=/dev/urandom of=/large bs=1M count=60 2>/dev/null";
  const path = uncompressed(recipe(stack, "both", post));
  const first = stack.start("container-builder", [stack.path("both-1.sif"), path]);
  await first.seen(/it has begun\n/);
  await first.seen(ID);
  const [entry] = await buildsOf(stack);
  const second = stack.start("cb-attach", [entry?.build ?? "", stack.path("both-2.sif")]);
  const [one, two] = await Promise.all([first.finished, second.finished]);
  assert.is(one.code, 0, one.stderr);
  assert.is(two.code, 0, two.stderr);
  assert.ok(readFileSync(stack.path("both-1.sif")).equals(readFileSync(stack.path("both-2.sif"))));
});

test("after Ctrl-C in cb-attach the build goes on, and cb-cancel ends it", async ({ stack }) => {
  const running = stack.start("container-builder", [stack.path("end.sif"), endless(stack, "end")]);
  await running.seen(/it has begun/);
  const [entry] = await buildsOf(stack);
  assert.is(entry?.state, "leased");
  assert.is(entry?.name, "end.sif");
  const id = entry?.build ?? "";
  const attached = stack.start("cb-attach", [id]);
  await attached.seen(/it has begun/);
  attached.kill("SIGINT");
  const detached = await attached.finished;
  assert.is(detached.code, 130);
  assert.match(detached.stderr, "detached; the build goes on");
  assert.is((await buildsOf(stack))[0]?.state, "leased");
  const cancelled = await stack.run("cb-cancel", [id.slice(0, 8)]);
  assert.is(cancelled.code, 0, cancelled.stderr);
  assert.is(cancelled.stdout, `Build ${id}: cancelled\n`);
  const { code, stderr } = await running.finished;
  assert.is(code, 130, stderr);
  assert.match(stderr, "the build was cancelled");
  const again = await stack.run("cb-cancel", [id]);
  assert.is(again.stdout, `Build ${id}: cancelled\n`);
});

test("cb-builds lists the user's builds with state, age, size, and how long the image is kept", async ({ stack }) => {
  const running = stack.start("container-builder", [stack.path("kept.sif"), slowRecipe(stack, "kept", 1)]);
  await running.seen(/it has begun/);
  running.kill("SIGKILL");
  const id = buildIdIn((await running.finished).stderr);
  writeFileSync(stack.path("kept.sif"), "mine");
  assert.is((await stack.run("cb-attach", [id])).code, 64);
  assert.is(readFileSync(stack.path("kept.sif"), "utf8"), "mine");
  const built = await stack.run("container-builder", [stack.path("fresh.sif"), HELLO]);
  assert.is(built.code, 0, built.stderr);
  await until("the other build has ended", async () => (await buildsOf(stack))[1]?.state === "succeeded");
  const { stdout } = await stack.run("cb-builds", []);
  const lines = stdout.split("\n");
  assert.match(lines[0] ?? "", /^ID +STATE +AGE +TIME +IMAGE +SIZE +KEPT FOR$/);
  assert.match(
    lines[1] ?? "",
    new RegExp(`^${buildIdIn(built.stderr)}  succeeded +\\d+s +\\d+s +fresh.sif +[\\d.]+ [KM]iB +-$`),
  );
  assert.match(
    lines.find((line) => line.startsWith(id)) ?? "",
    /succeeded +\d+s +\d+s +kept.sif +[\d.]+ [KM]iB +(23h59m|24h00m)$/,
  );
});

test("cb-attach and cb-cancel refuse an id that is not of a build of the user, with exit code 64", async ({
  stack,
}) => {
  const cases: [string, RegExp][] = [
    ["x.sif", /"x.sif" is not the id of a build/],
    ["abc", /is not the id of a build/],
    ["00000000", /cb-builds lists no build with an id that begins with 00000000/],
    ["00000000-0000-4000-8000-000000000000", /you have no build 00000000-0000-4000-8000-000000000000/],
  ];
  for (const program of ["cb-attach", "cb-cancel"]) {
    for (const [id, pattern] of cases) {
      const { code, stderr } = await stack.run(program, [id]);
      assert.is(code, 64, stderr);
      assert.match(stderr, pattern);
    }
  }
});

test("cb-cancel reports that a build had already ended", async ({ stack }) => {
  const [id = ""] = (await buildsOf(stack)).filter(({ state }) => state === "succeeded").map(({ build }) => build);
  const ended = await stack.run("cb-cancel", [id]);
  assert.is(ended.code, 0, ended.stderr);
  assert.is(ended.stdout, `Build ${id}: not cancelled, it had already ended: succeeded\n`);
});

test.run();
