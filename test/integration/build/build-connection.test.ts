/** NATS fails after a build was reserved, and before its client has opened the build's connection. */
// slow: three clients wait until an attempt to connect has timed out, which takes 4 s.

import { randomBytes } from "node:crypto";
import { appendFileSync, mkdirSync, readdirSync, readlinkSync, writeFileSync } from "node:fs";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { findNatsServer } from "../../../infra/nats/server.ts";
import { INLINE_CONTEXT_MAX_BYTES } from "../../../lib/protocol/build-messages.ts";
import { holdClient } from "../../support/nats/held-client.ts";
import { endless, HELLO, recipe } from "../../support/recipe/recipes.ts";
import { sendSignal } from "../../support/send-signal.ts";
import { type Running, Stack } from "../../support/stack.ts";
import { until } from "../../support/until.ts";

const test = suite<{ stack: Stack }>("a build's own connection");

/** Less than the 4 s after which an attempt to connect times out. */
const AT_ONCE_MS = 3_500;

test.before(async (context) => {
  context.stack = await Stack.start();
});
test.after(async ({ stack }) => {
  await stack?.stop();
});

/** Matches after an attempt to connect has failed: at once without a server, after 4 s with a frozen one. */
const WAITING = /NATS does not answer; waiting/;

/** A client with a reserved build. NATS is frozen until an attempt to open the build's connection has timed out, then killed. */
async function clientWithoutNats(stack: Stack, program: string, args: readonly string[]): Promise<Running> {
  const { running, release } = await holdClient(stack, { program, args, connection: 2 });
  sendSignal("NATS", (await findNatsServer(stack.statePath("nats")))?.pid, "SIGSTOP");
  release();
  await running.seen(WAITING);
  await stack.natsEnds("SIGKILL");
  return running;
}

test("container-builder reconnects to NATS after a timeout, sends its context and fetches the image", async ({
  stack,
}) => {
  mkdirSync(stack.path("files"));
  // Random bytes, and too many for the reservation request.
  writeFileSync(stack.path("files", "large"), randomBytes(2 * INLINE_CONTEXT_MAX_BYTES));
  const definition = recipe(stack, "late", "    stat -c 'it has %s bytes' /large");
  appendFileSync(definition, "\n%files\n    files/large /large\n");
  const running = await clientWithoutNats(stack, "container-builder", [stack.path("late.sif"), definition]);
  await stack.up();
  const { code, stdout, stderr } = await running.finished;
  assert.is(code, 0, stderr);
  assert.match(stderr, /NATS answers again after \d+ s/);
  assert.match(stderr, "Sending build context: Completed");
  assert.match(stdout, `it has ${2 * INLINE_CONTEXT_MAX_BYTES} bytes`);
});

test("Ctrl-C while container-builder waits for NATS cancels the build", async ({ stack }) => {
  const args = [stack.path("left.sif"), endless(stack, "left")];
  const { running, release } = await holdClient(stack, { program: "container-builder", args, connection: 2 });
  await stack.natsEnds("SIGKILL");
  release();
  await running.seen(WAITING);
  running.kill("SIGINT");
  await running.seen(/Cancelling the build: the queue does not answer, retrying/);
  await stack.up();
  const { code, stderr } = await running.finished;
  assert.is(code, 130, stderr);
  assert.match(stderr, "Cancelling the build: Completed");
});

/** The number of sockets that the process has open. */
const socketCountOf = (pid: number): number =>
  readdirSync(`/proc/${pid}/fd`).filter((fd) => {
    try {
      return readlinkSync(`/proc/${pid}/fd/${fd}`).startsWith("socket:");
    } catch {
      return false;
    }
  }).length;

test("Ctrl-C while that connection hangs takes effect at once, and the build is cancelled when NATS continues", async ({
  stack,
}) => {
  const args = [stack.path("hung.sif"), endless(stack, "hung")];
  const { running, release } = await holdClient(stack, { program: "container-builder", args, connection: 2 });
  const [pid = 0, nats] = [running.pid, (await findNatsServer(stack.statePath("nats")))?.pid];
  const before = socketCountOf(pid);
  sendSignal("NATS", nats, "SIGSTOP");
  try {
    release();
    await until("a connection attempt", () => socketCountOf(pid) > before);
    const signalledMs = performance.now();
    running.kill("SIGINT");
    await running.seen(/Cancelling the build/);
    const tookMs = performance.now() - signalledMs;
    assert.ok(tookMs < AT_ONCE_MS, `${tookMs} ms`);
  } finally {
    sendSignal("NATS", nats, "SIGCONT");
  }
  const { code, stderr } = await running.finished;
  assert.is(code, 130, stderr);
  assert.match(stderr, "Cancelling the build: Completed");
});

test("cb-attach reconnects to NATS after a timeout and fetches the image", async ({ stack }) => {
  const first = stack.start("container-builder", [stack.path("first.sif"), HELLO]);
  const [, build = ""] = /^Build ID: (\S+)$/m.exec(await first.seen(/^Build ID: \S+$/m)) ?? [];
  first.kill("SIGKILL");
  await first.finished;
  const running = await clientWithoutNats(stack, "cb-attach", [build, stack.path("second.sif")]);
  await stack.up();
  const { code, stderr } = await running.finished;
  assert.is(code, 0, stderr);
  assert.match(stderr, /NATS answers again after \d+ s/);
});

test.run();
