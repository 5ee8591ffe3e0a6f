/** Sends the caller's files into builds with the shipped programs. */
// slow: one build for each way of sending files.
import { createHash, randomUUID } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { machine } from "node:os";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { followBuild } from "../../../lib/cli/watch/follow.ts";
import { clientConfig } from "../../../lib/config/client-config.ts";
import { connectNats } from "../../../lib/nats/connection.ts";
import { readCreds } from "../../../lib/nats/credentials/creds.ts";
import { createKey } from "../../../lib/nats/credentials/nkey.ts";
import { call } from "../../../lib/nats/rpc/client.ts";
import type { BuildState } from "../../../lib/protocol/build-messages.ts";
import { reserve, sent } from "../../../lib/protocol/requests.ts";
import { buildBucketStream } from "../../../lib/protocol/subjects.ts";
import { connectCore } from "../../support/nats/core-connection.ts";
import { queueWith, stopped } from "../../support/queue/own-queue.ts";
import { HELLO } from "../../support/recipe/recipes.ts";
import { rejection } from "../../support/rejection.ts";
import { type Finished, Stack } from "../../support/stack.ts";

const test = suite<{ stack: Stack }>("context");

test.before(async (context) => {
  context.stack = await Stack.start();
});
test.after(async ({ stack }) => {
  await stack?.stop();
});

/** Writes a definition file into `folder` with these sections %files and %post. */
function definition(stack: Stack, folder: string, files: string, post: string): string {
  mkdirSync(stack.path(folder), { recursive: true });
  const path = stack.path(folder, "recipe.def");
  const text = readFileSync(HELLO, "utf8")
    .replace(/%post\n[\s\S]*?(?=\n%labels)/, () => `%post\n    /bin/busybox --install -s /bin\n${post}\n`)
    .concat(`\n%files\n${files}\n`);
  writeFileSync(path, text);
  return path;
}

function write(stack: Stack, path: string, text: string | Buffer): string {
  const [folder = ""] = /^.*(?=\/)/.exec(path) ?? [];
  mkdirSync(stack.path(folder), { recursive: true });
  writeFileSync(stack.path(path), text);
  return stack.path(path);
}

const build = (stack: Stack, folder: string, args: readonly string[]): Promise<Finished> =>
  stack.run("container-builder", ["--force", stack.path(`${folder}.sif`), ...args], { cwd: stack.path(folder) });

test("a build receives files, matches, folders, links and names with blanks from %files", async ({ stack }) => {
  write(stack, "f/a.txt", "alpha\n");
  write(stack, "f/data/one.csv", "1\n");
  write(stack, "f/data/two.csv", "2\n");
  write(stack, "f/data/three.txt", "3\n");
  write(stack, "f/tree/deep/er/x", "deep\n");
  symlinkSync("deep/er/x", stack.path("f/tree/link"));
  write(stack, "f/with blank.txt", "blank\n");
  write(stack, "beside/b.txt", "beside\n");
  const absolute = write(stack, "far/c.txt", "far\n");
  definition(
    stack,
    "f",
    `    a.txt\n    data/*.csv /csv/\n    tree /tree\n    "with blank.txt" "/with blank.txt"\n    ../beside/b.txt /b.txt\n    ${absolute} /c.txt`,
    '    cat /a.txt /csv/*.csv /tree/deep/er/x /tree/link "/with blank.txt" /b.txt /c.txt; ls /csv',
  );
  const { code, stdout, stderr } = await build(stack, "f", ["recipe.def"]);
  assert.is(code, 0, stderr);
  assert.match(stdout, "alpha\n1\n2\ndeep\ndeep\nblank\nbeside\nfar\n");
  assert.match(stdout, "\none.csv\ntwo.csv\n");
});

test("a context of 24 MiB is sent through the bucket, with progress, and arrives unchanged", async ({ stack }) => {
  const large = Buffer.alloc(24 * 2 ** 20, "0123456789abcdef");
  write(stack, "large/large.bin", large);
  definition(stack, "large", "    large.bin", "    sha256sum /large.bin");
  const { code, stdout, stderr } = await build(stack, "large", ["recipe.def"]);
  assert.is(code, 0, stderr);
  assert.match(stdout, createHash("sha256").update(large).digest("hex"));
  assert.match(stderr, /^Sending build context: Completed, 1 file, 24.0 MiB, [\d.]+ [KM]iB\/s$/m);
});

test("--context sets the start of relative paths; --transfer-context sends all files except ignored ones", async ({
  stack,
}) => {
  write(stack, "whole/kept.txt", "kept\n");
  write(stack, "whole/sub/also.txt", "also\n");
  write(stack, "whole/secret.key", "secret\n");
  write(stack, "whole/.dockerignore", "also.txt\n");
  write(stack, "whole/.cbignore", "*.key\n");
  mkdirSync(stack.path("w"), { recursive: true });
  const path = definition(stack, "w", "", "    cat /setup/kept.txt /setup/sub/also.txt; ls -A /setup");
  const text = readFileSync(path, "utf8").replace(
    "%files\n",
    '%setup\n    mkdir "$APPTAINER_ROOTFS/setup" && cp -a . "$APPTAINER_ROOTFS/setup/"\n',
  );
  writeFileSync(path, text);
  for (const option of ["--transfer-context", "--transfer_context"]) {
    const { code, stdout, stderr } = await build(stack, "w", ["--context", stack.path("whole"), option, "recipe.def"]);
    assert.is(code, 0, stderr);
    assert.match(stdout, "kept\nalso\n");
    assert.not.match(stdout, "secret.key");
  }
});

test("a missing file or a link out of the directory ends the call before anything is sent", async ({ stack }) => {
  write(stack, "bad/there.txt", "x");
  mkdirSync(stack.path("bad/folder"));
  symlinkSync("/etc/passwd", stack.path("bad/folder/out"));
  const cases: [string, RegExp, number?][] = [
    ["missing.txt /x", /missing.txt.*does not exist/],
    ["none*.csv /x", /none\*.csv/],
    ["folder /folder", /folder\/out.*\/etc\/passwd/],
  ];
  for (const [line, pattern] of cases) {
    definition(stack, "bad", `    there.txt /there\n    ${line}`, "    true");
    const { code, stderr } = await build(stack, "bad", ["recipe.def"]);
    assert.is(code, 64, stderr);
    assert.match(stderr, pattern);
    assert.not.match(stderr, "Connecting");
    assert.not.match(stderr, /^ {4}at /m);
  }
  const wrong: [string[], RegExp][] = [
    [["--context", "nowhere", "recipe.def"], /cannot read the directory \S*nowhere/],
    [["--context", "there.txt", "recipe.def"], /there.txt is not a directory/],
    [["--build-arg", "no-name=1", "recipe.def"], /--build-arg no-name=1 is not NAME=VALUE/],
  ];
  for (const [args, pattern] of wrong) {
    const { code, stderr } = await build(stack, "bad", args);
    assert.is(code, 64, stderr);
    assert.match(stderr, pattern);
  }
});

test("an architecture without a pool is refused with the list of pools", async ({ stack }) => {
  const { code, stderr } = await stack.run("container-builder", ["--arch", "s390x", stack.path("arch.sif"), HELLO]);
  assert.is(code, 64, stderr);
  assert.match(stderr, /no pool builds for s390x\n {2}the pools are: local \(\w+\)[,\n]/);
  const alias = machine() === "x86_64" ? "amd64" : machine();
  const built = await stack.run("container-builder", ["--arch", alias, stack.path("arch.sif"), HELLO]);
  assert.is(built.code, 0, built.stderr);
});

test("a build argument reaches the recipe", async ({ stack }) => {
  const path = definition(stack, "args", "", "    echo the word is {{ WORD }}");
  const { code, stdout, stderr } = await build(stack, "args", ["--build-arg", "WORD=a b=c", path]);
  assert.is(code, 0, stderr);
  assert.match(stdout, "the word is a b=c");
});

/**
 * Reserves a build with a context, reports the context as sent without sending it, and returns the final state of the
 * build.
 */
async function reserveAndSendNothing(stack: Stack): Promise<{ build: string; state: BuildState }> {
  const address = clientConfig({ env: {}, folders: [], natsFolder: "", localFolder: stack.statePath("client") });
  const creds = await readCreds(stack.statePath("client", "user.creds"), Date.now());
  const nc = await connectNats({ address, credential: creds, name: "test" });
  const key = createKey("user");
  const context = { directory: "/", highestId: 0, archive: { kind: "object" as const, maxBytes: 1000 } };
  const recipe = { backend: "singularity" as const, text: "Bootstrap: scratch" };
  const request = { v: 1 as const, request: randomUUID(), publicKey: key.publicKey, recipe, context, name: "x" };
  const { build, jwt } = await call(reserve, { nc, principal: creds.name, request: request, timeoutMs: 5_000 });
  const early = call(sent, { nc, principal: creds.name, request: { v: 1, build }, timeoutMs: 5_000 });
  assert.match(String(await rejection(early)), "is incomplete");
  const own = await connectNats({ address, credential: { jwt, key }, name: "test" });
  let last: BuildState | undefined;
  const watching = { build, fromNow: false, signal: new AbortController().signal, onWaiting: () => undefined };
  for await (const event of followBuild(own, watching)) if (event.kind === "state") last = event.state;
  await Promise.all([nc.close(), own.close()]);
  if (last === undefined) throw new Error("the build's stream has no state");
  return { build, state: last };
}

test("a context over the limit is refused; a build without its context ends as lost and loses its bucket", async ({
  stack,
}) => {
  await stack.queueEnds("SIGTERM");
  const queue = await queueWith(stack, (config) => {
    config.limits.contextMiB = 32;
    config.limits.contextSeconds = 10;
  });
  write(stack, "over/over.bin", Buffer.alloc(33 * 2 ** 20, "x"));
  definition(stack, "over", "    over.bin", "    true");
  const refused = await build(stack, "over", ["recipe.def"]);
  assert.is(refused.code, 64, refused.stderr);
  assert.match(refused.stderr, /the context has up to \d+ bytes; at most 33554432 are allowed here/);
  assert.ok(!existsSync(stack.path("over.sif")));
  const silent = await reserveAndSendNothing(stack);
  assert.is(silent.state.state, "lost");
  assert.match(
    "reason" in silent.state ? silent.state.reason : "",
    /the upload of its files stopped: no new data for 10 s/,
  );
  await stopped(queue);
  const core = await connectCore(stack);
  const streams = await (await core.jetstreamManager()).streams.names().next();
  assert.not.ok(streams.includes(buildBucketStream(silent.build)), "the reserved space is released");
  await core.close();
});

test.run();
