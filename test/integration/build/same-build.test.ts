/** The same build again with the shipped programs: its image is used again, and calls at the same time share one build. */
// slow: a stack of its own, and five builds.
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { BuildsReply } from "../../../lib/protocol/builds-messages.ts";
import { HELLO, recipe } from "../../support/recipe/recipes.ts";
import { Stack } from "../../support/stack.ts";

const test = suite<{ stack: Stack }>("same build");

test.before(async (context) => {
  context.stack = await Stack.start();
});
test.after(async ({ stack }) => {
  await stack?.stop();
});

const buildIdIn = (stderr: string): string => /^Build ID: ([0-9a-f-]{36})$/m.exec(stderr)?.[1] ?? "";

async function countBuilds(stack: Stack): Promise<number> {
  return (JSON.parse((await stack.run("cb-builds", ["--json"])).stdout) as BuildsReply).builds.length;
}

test("a second call with the same files gets the kept image, and one with another file does not", async ({ stack }) => {
  mkdirSync(stack.path("files"));
  const data = stack.path("files", "data");
  writeFileSync(data, Buffer.alloc(400 * 1024, "x"));
  const path = stack.path("with-files.def");
  writeFileSync(path, `${readFileSync(HELLO, "utf8")}\n%files\n    ${data} /data\n`);
  const build = (image: string, ...options: string[]) =>
    stack.run("container-builder", ["--reuse-build", ...options, stack.path(image), path]);
  const first = await build("one.sif");
  assert.is(first.code, 0, first.stderr);
  assert.not.match(first.stderr, "the same build");
  const json = await build("two.sif", "--progress", "json", "--metadata-file", stack.path("two.json"));
  assert.is(json.code, 0, json.stderr);
  const id = buildIdIn(first.stderr);
  assert.match(json.stderr, `"event":"reserved","build":"${id}","same":{"state":"succeeded","ageMs":`);
  const metadata = JSON.parse(readFileSync(stack.path("two.json"), "utf8"));
  assert.equal([metadata.outcome, metadata.exitCode, metadata.same?.state], ["succeeded", 0, "succeeded"]);
  assert.equal(Object.keys(metadata.times), ["transferredMs"]);
  assert.ok(readFileSync(stack.path("one.sif")).equals(readFileSync(stack.path("two.sif"))));
  const output = await stack.run("container-builder", ["--reuse-build", "-", path]);
  assert.is(output.code, 0, output.stderr);
  assert.match(
    output.stderr,
    /^the same build, [0-9a-f]{8}, ended \d+s ago: its image is used again; --rebuild builds anew$/m,
  );
  assert.ok(output.bytes.equals(readFileSync(stack.path("one.sif"))));
  assert.is(await countBuilds(stack), 1);
  writeFileSync(data, Buffer.alloc(400 * 1024, "y"));
  const changed = await build("three.sif");
  assert.is.not(buildIdIn(changed.stderr), id, changed.stderr);
  const rebuilt = await stack.run("container-builder", ["--rebuild", "--force", stack.path("three.sif"), path]);
  assert.is(rebuilt.code, 0, rebuilt.stderr);
  assert.is(await countBuilds(stack), 3);
});

test("two calls at the same time share one build; Ctrl-C in one of them leaves it to the other", async ({ stack }) => {
  const path = recipe(stack, "shared", "    echo it has begun\n    sleep 4\n    echo it has ended");
  const start = (image: string) => stack.start("container-builder", ["--reuse-build", stack.path(image), path]);
  const before = await countBuilds(stack);
  const first = start("first.sif");
  await first.seen(/it has begun\n/);
  const second = start("second.sif");
  await second.seen(/it has begun\n/);
  first.kill("SIGINT");
  const left = await first.finished;
  assert.is(left.code, 130, left.stderr);
  assert.match(left.stderr, "Cancelling the build: the build goes on for 1 other call of yours");
  const { code, stdout, stderr } = await second.finished;
  assert.is(code, 0, stderr);
  assert.match(stderr, /^the same build, [0-9a-f]{8}, has run for \d+s: this call shares it; --rebuild builds anew$/m);
  assert.match(stdout, "it has ended");
  assert.is(await countBuilds(stack), before + 1);
});

test("a call with --detach prints the id of the earlier build", async ({ stack }) => {
  const build = (...options: string[]) =>
    stack.run("container-builder", ["--reuse-build", "--force", ...options, stack.path("gone.sif"), HELLO]);
  const first = await build("--detach");
  assert.is(first.code, 0, first.stderr);
  assert.is((await stack.run("cb-attach", [first.stdout.trim(), stack.path("kept.sif")])).code, 0);
  const again = await build("--detach");
  assert.is(again.stdout, first.stdout, again.stderr);
});

test.run();
