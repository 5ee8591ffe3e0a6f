/** NATS that dies when a build has been reserved and its caller has not connected for it yet. */
// slow: NATS is away for longer than one connection is tried, three times.

import { randomBytes } from "node:crypto";
import { appendFileSync, mkdirSync, readdirSync, readlinkSync, writeFileSync } from "node:fs";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { findNatsServer } from "../../../infra/nats/server.ts";
import { INLINE_CONTEXT_MAX_BYTES } from "../../../lib/protocol/build-messages.ts";
import { holdClient } from "../../support/nats/held-client.ts";
import { endless, HELLO, recipe } from "../../support/recipe/recipes.ts";
import { type Running, Stack } from "../../support/stack.ts";
import { strike } from "../../support/strike.ts";
import { until } from "../../support/until.ts";

const test = suite<{ stack: Stack }>("a build's own connection");

/** Longer than the 4 s that one connection is tried. */
const AWAY_MS = 5_000;
/** Less than what one connection is tried for. */
const AT_ONCE_MS = 3_500;

test.before(async (context) => {
  context.stack = await Stack.start();
});
test.after(async ({ stack }) => {
  await stack?.stop();
});

/** A client that has been answered, and whose NATS has died before it could connect for its build. */
async function tooLate(stack: Stack, program: string, args: readonly string[]): Promise<Running> {
  const { running, release } = await holdClient(stack, { program, args, connection: 2 });
  await stack.natsEnds("SIGKILL");
  release();
  await running.seen(/NATS does not answer; the build goes on, waiting for it/);
  return running;
}

test("container-builder waits for NATS, sends its files and brings the image", async ({ stack }) => {
  mkdirSync(stack.path("files"));
  // Random, and too large to travel inside the reservation.
  writeFileSync(stack.path("files", "large"), randomBytes(2 * INLINE_CONTEXT_MAX_BYTES));
  const definition = recipe(stack, "late", "    stat -c 'it has %s bytes' /large");
  appendFileSync(definition, "\n%files\n    files/large /large\n");
  const running = await tooLate(stack, "container-builder", [stack.path("late.sif"), definition]);
  const sinceMs = performance.now();
  await until("longer than one connection is tried", () => performance.now() - sinceMs > AWAY_MS);
  await stack.up();
  const { code, stdout, stderr } = await running.finished;
  assert.is(code, 0, stderr);
  assert.match(stderr, "NATS answers again");
  assert.match(stderr, "Sending build context: Completed");
  assert.match(stdout, `it has ${2 * INLINE_CONTEXT_MAX_BYTES} bytes`);
});

test("Ctrl-C while container-builder waits for NATS cancels the build", async ({ stack }) => {
  const running = await tooLate(stack, "container-builder", [stack.path("left.sif"), endless(stack, "left")]);
  running.kill("SIGINT");
  await running.seen(/Cancelling the build: the queue does not answer, asking again/);
  await stack.up();
  const { code, stderr } = await running.finished;
  assert.is(code, 130, stderr);
  assert.match(stderr, "Cancelling the build: Completed");
});

/** Of a program and its children, as the kernel has them. */
const socketsOf = (pid: number): number =>
  readdirSync(`/proc/${pid}/fd`).filter((fd) => {
    try {
      return readlinkSync(`/proc/${pid}/fd/${fd}`).startsWith("socket:");
    } catch {
      return false;
    }
  }).length;

test("Ctrl-C while that connection hangs is heard at once, and the build cancelled as soon as NATS goes on", async ({
  stack,
}) => {
  const args = [stack.path("hung.sif"), endless(stack, "hung")];
  const { running, release } = await holdClient(stack, { program: "container-builder", args, connection: 2 });
  const [pid = 0, nats] = [running.pid, (await findNatsServer(stack.statePath("nats")))?.pid];
  const before = socketsOf(pid);
  strike("NATS", nats, "SIGSTOP");
  try {
    release();
    await until("it is connecting", () => socketsOf(pid) > before);
    const askedMs = performance.now();
    running.kill("SIGINT");
    await running.seen(/Cancelling the build/);
    const tookMs = performance.now() - askedMs;
    assert.ok(tookMs < AT_ONCE_MS, `${tookMs} ms`);
  } finally {
    strike("NATS", nats, "SIGCONT");
  }
  const { code, stderr } = await running.finished;
  assert.is(code, 130, stderr);
  assert.match(stderr, "Cancelling the build: Completed");
});

test("cb-attach waits for NATS and brings the image", async ({ stack }) => {
  const first = stack.start("container-builder", [stack.path("first.sif"), HELLO]);
  const [, build = ""] = /^Build ID: (\S+)$/m.exec(await first.seen(/^Build ID: \S+$/m)) ?? [];
  first.kill("SIGKILL");
  await first.finished;
  const running = await tooLate(stack, "cb-attach", [build, stack.path("second.sif")]);
  const sinceMs = performance.now();
  await until("longer than one connection is tried", () => performance.now() - sinceMs > AWAY_MS);
  await stack.up();
  const { code, stderr } = await running.finished;
  assert.is(code, 0, stderr);
  assert.match(stderr, "NATS answers again");
});

test.run();
