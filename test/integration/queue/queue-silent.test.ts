/** Every client program while NATS runs, but the queue is frozen or killed. */
// slow: the queue is killed and frozen, and clients wait for its replies.

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { runningPid } from "../../../infra/local/daemon.ts";
import { holdClient } from "../../support/nats/held-client.ts";
import { holdSlowClient } from "../../support/queue/slow-client.ts";
import { HELLO } from "../../support/recipe/recipes.ts";
import { sendSignal } from "../../support/send-signal.ts";
import { type Finished, Stack } from "../../support/stack.ts";
import { until } from "../../support/until.ts";

const test = suite<{ stack: Stack }>("silent queue");

/** Clients promise a message within 5 s of their connect; 3 s more for a loaded machine. The start of the program is not counted. */
const MESSAGE_MAX_MS = 8_000;
/**
 * The time that a slow connection takes, on the client's own clock. A connection may take 4 s; a client that then waited the
 * whole 5 s for the reply would be too late.
 */
const CONNECT_MS = 3_000;

test.before(async (context) => {
  context.stack = await Stack.start();
});
test.after(async ({ stack }) => {
  await stack?.stop();
});

function assertNoReply(stack: Stack, { code, stderr }: Finished): void {
  assert.is(code, 69, stderr);
  assert.match(stderr, `the queue does not answer (NATS at ${stack.clientSettings().url})`);
  assert.match(stderr, `the address comes from ${stack.statePath("client")}`);
}

const signalQueue = (stack: Stack, signal: NodeJS.Signals) =>
  sendSignal("the queue", runningPid(stack.statePath("queue.pid")), signal);

/** Every client program that sends one request. */
const CLIENTS: readonly (readonly [program: string, ...args: string[]])[] = [
  ["cb-status"],
  ["cb-builds"],
  ["cb-images"],
  ["cb-cancel", "0123abcd"],
  ["cb-attach", "0123abcd"],
];

for (const [program, ...args] of CLIENTS) {
  test(`${program} reports a frozen queue within 5 s, also after a slow connect`, async ({ stack }) => {
    const { running, release } = await holdSlowClient(stack, { program, args, connectMs: CONNECT_MS });
    // Not earlier: nats-server closes the connection of a queue that answers no pings, and then replies "no responders".
    signalQueue(stack, "SIGSTOP");
    try {
      const releasedMs = performance.now();
      release();
      assertNoReply(stack, await running.finished);
      const tookMs = performance.now() - releasedMs + CONNECT_MS;
      assert.ok(tookMs < MESSAGE_MAX_MS, `${tookMs} ms`);
    } finally {
      signalQueue(stack, "SIGCONT");
    }
    await until("the queue answers", async () => (await stack.run("cb-status", [])).code === 0);
  });
}

async function assertNoReplyToOperator(stack: Stack): Promise<void> {
  const startedMs = performance.now();
  const { code, stderr } = await stack.run("cb-admin", ["builders"]);
  const tookMs = performance.now() - startedMs;
  assert.is(code, 69, stderr);
  assert.match(stderr, `the queue does not answer (NATS at ${stack.clientSettings().url})`);
  assert.match(stderr, `the settings come from ${stack.statePath()}`);
  assert.ok(tookMs < MESSAGE_MAX_MS, `${tookMs} ms`);
}

test("cb-admin reports a frozen queue within 5 s, with the address and the settings", async ({ stack }) => {
  signalQueue(stack, "SIGSTOP");
  try {
    await assertNoReplyToOperator(stack);
  } finally {
    signalQueue(stack, "SIGCONT");
  }
  await until("the queue answers", async () => (await stack.run("cb-admin", ["builders"])).code === 0);
});

test("container-builder reports a frozen queue within 5 s, with the address", async ({ stack }) => {
  const args = [stack.path("image.sif"), HELLO];
  const { running, release } = await holdSlowClient(stack, {
    program: "container-builder",
    args,
    connectMs: CONNECT_MS,
  });
  signalQueue(stack, "SIGSTOP");
  try {
    const releasedMs = performance.now();
    release();
    await running.seen(/Requesting remote builder: the queue does not answer; retrying/);
    const printed = await running.seen(/the request was sent to NATS at .*\n/);
    const tookMs = performance.now() - releasedMs + CONNECT_MS;
    assert.ok(tookMs < MESSAGE_MAX_MS, `${tookMs} ms`);
    assert.match(
      printed,
      `the request was sent to NATS at ${stack.clientSettings().url}; the address comes from ${stack.statePath()}`,
    );
  } finally {
    running.kill("SIGKILL");
    signalQueue(stack, "SIGCONT");
  }
});

test("every client reports a killed queue within 5 s", async ({ stack }) => {
  await stack.queueEnds("SIGKILL");
  for (const [program, ...args] of CLIENTS) {
    const { running, release } = await holdClient(stack, { program, args, connection: 1 });
    const startedMs = performance.now();
    release();
    assertNoReply(stack, await running.finished);
    const tookMs = performance.now() - startedMs;
    assert.ok(tookMs < MESSAGE_MAX_MS, `${tookMs} ms`);
  }
  await assertNoReplyToOperator(stack);
});

test.run();
