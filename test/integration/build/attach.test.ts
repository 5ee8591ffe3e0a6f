/** Builds that outlive their terminal: seen again, fetched, cancelled and listed from another one. */
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

const idIn = (stderr: string): string => ID.exec(stderr)?.[1] ?? "";

async function own(stack: Stack): Promise<BuildsReply["builds"]> {
  return (JSON.parse((await stack.run("cb-builds", ["--json"])).stdout) as BuildsReply).builds;
}

/** Takes as long as a test needs to leave it and to come back. */
const slow = (stack: Stack, name: string, seconds: number) =>
  recipe(stack, name, `    echo it has begun\n    sleep ${seconds}\n    echo it has ended`);

for (const signal of ["SIGHUP", "SIGKILL"] as const) {
  test(`a caller that ends by ${signal} leaves the build running, and cb-attach replays it and brings the image`, async ({
    stack,
  }) => {
    const name = `left-${signal.toLowerCase()}`;
    const running = stack.start("container-builder", [stack.path(`${name}.sif`), slow(stack, name, 3)]);
    await running.seen(/it has begun\n/);
    running.kill(signal);
    const { code, stderr } = await running.finished;
    assert.is(code, signal === "SIGHUP" ? 130 : null);
    assert.not.ok(existsSync(stack.path(`${name}.sif`)));
    const attached = await stack.run("cb-attach", [idIn(stderr)]);
    assert.is(attached.code, 0, attached.stderr);
    assert.match(attached.stdout, /it has begun\n[\s\S]*it has ended\n/);
    assert.ok(statSync(stack.path(`${name}.sif`)).size > 10_000, "the name it was to have, in the working directory");
  });
}

test("cb-attach --from-now leaves out what was printed before, also of a build that has ended", async ({ stack }) => {
  const running = stack.start("container-builder", [stack.path("now.sif"), slow(stack, "now", 3)]);
  await running.seen(/it has begun\n/);
  running.kill("SIGKILL");
  const id = idIn((await running.finished).stderr);
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

test("two watch one build, and both get the image", async ({ stack }) => {
  const post = "    echo it has begun\n    sleep 2\n    dd if=/dev/urandom of=/large bs=1M count=60 2>/dev/null";
  const path = uncompressed(recipe(stack, "both", post));
  const first = stack.start("container-builder", [stack.path("both-1.sif"), path]);
  await first.seen(/it has begun\n/);
  await first.seen(ID);
  const [entry] = await own(stack);
  const second = stack.start("cb-attach", [entry?.build ?? "", stack.path("both-2.sif")]);
  const [one, two] = await Promise.all([first.finished, second.finished]);
  assert.is(one.code, 0, one.stderr);
  assert.is(two.code, 0, two.stderr);
  assert.ok(readFileSync(stack.path("both-1.sif")).equals(readFileSync(stack.path("both-2.sif"))));
});

test("Ctrl-C in cb-attach leaves the build running, and cb-cancel ends it", async ({ stack }) => {
  const running = stack.start("container-builder", [stack.path("end.sif"), endless(stack, "end")]);
  await running.seen(/it has begun/);
  const [entry] = await own(stack);
  assert.is(entry?.state, "leased");
  assert.is(entry?.name, "end.sif");
  const id = entry?.build ?? "";
  const attached = stack.start("cb-attach", [id]);
  await attached.seen(/it has begun/);
  attached.kill("SIGINT");
  const left = await attached.finished;
  assert.is(left.code, 130);
  assert.match(left.stderr, "left; the build goes on");
  assert.is((await own(stack))[0]?.state, "leased");
  const cancelled = await stack.run("cb-cancel", [id.slice(0, 8)]);
  assert.is(cancelled.code, 0, cancelled.stderr);
  assert.is(cancelled.stdout, `Build ${id}: cancelled\n`);
  const { code, stderr } = await running.finished;
  assert.is(code, 130, stderr);
  assert.match(stderr, "the build was cancelled");
  const again = await stack.run("cb-cancel", [id]);
  assert.is(again.stdout, `Build ${id}: cancelled\n`);
});

test("cb-builds lists one's own with state, age, size, and how long the image is kept", async ({ stack }) => {
  const running = stack.start("container-builder", [stack.path("kept.sif"), slow(stack, "kept", 1)]);
  await running.seen(/it has begun/);
  running.kill("SIGKILL");
  const id = idIn((await running.finished).stderr);
  writeFileSync(stack.path("kept.sif"), "mine");
  assert.is((await stack.run("cb-attach", [id])).code, 64);
  assert.is(readFileSync(stack.path("kept.sif"), "utf8"), "mine");
  const built = await stack.run("container-builder", [stack.path("fresh.sif"), HELLO]);
  assert.is(built.code, 0, built.stderr);
  await until("the other build has ended", async () => (await own(stack))[1]?.state === "succeeded");
  const { stdout } = await stack.run("cb-builds", []);
  const lines = stdout.split("\n");
  assert.match(lines[0] ?? "", /^ID +STATE +AGE +TIME +IMAGE +SIZE +KEPT FOR$/);
  assert.match(
    lines[1] ?? "",
    new RegExp(`^${idIn(built.stderr)}  succeeded +\\d+s +\\d+s +fresh.sif +[\\d.]+ [KM]iB +-$`),
  );
  assert.match(
    lines.find((line) => line.startsWith(id)) ?? "",
    /succeeded +\d+s +\d+s +kept.sif +[\d.]+ [KM]iB +(23h59m|24h00m)$/,
  );
});

test("what is no build of one's own is said, with exit code 64", async ({ stack }) => {
  const cases: [string, RegExp][] = [
    ["x.sif", /"x.sif" is not the id of a build/],
    ["abc", /is not the id of a build/],
    ["00000000", /no build of yours begins with 00000000/],
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

test.run();
