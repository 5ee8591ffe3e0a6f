/** NATS without a queue behind it, as those see it who ask. */
// slow: the queue is killed, frozen and waited for.

import { suite } from "uvu";
import * as assert from "uvu/assert";
import { runningPid } from "../../../infra/local/daemon.ts";
import { holdClient } from "../../support/nats/held-client.ts";
import { HELLO } from "../../support/recipe/recipes.ts";
import { type Finished, Stack } from "../../support/stack.ts";
import { strike } from "../../support/strike.ts";
import { until } from "../../support/until.ts";

const test = suite<{ stack: Stack }>("silent queue");

/** Five seconds for the person, and a loaded machine's. It takes seconds to start a program, too, which are not counted. */
const TOLD_MS = 8_000;
/** A slow connection, within the 4 s that it may take. With five more seconds for the question it would be too late. */
const CONNECTING_MS = 3_000;

test.before(async (context) => {
  context.stack = await Stack.start();
});
test.after(async ({ stack }) => {
  await stack?.stop();
});

function assertSaid(stack: Stack, { code, stderr }: Finished): void {
  assert.is(code, 69, stderr);
  assert.match(stderr, `the queue does not answer (NATS at ${stack.clientSettings().url})`);
  assert.match(stderr, `the address comes from ${stack.statePath("client")}`);
}

const strikeQueue = (stack: Stack, signal: NodeJS.Signals) =>
  strike("the queue", runningPid(stack.statePath("queue.pid")), signal);

/** Every client with one question. */
const QUESTIONS: readonly (readonly [program: string, ...args: string[]])[] = [
  ["cb-status"],
  ["cb-builds"],
  ["cb-images"],
  ["cb-cancel", "0123abcd"],
  ["cb-attach", "0123abcd"],
];

for (const [program, ...args] of QUESTIONS) {
  test(`${program} says within 5 s that a frozen queue does not answer, also when it was slow to connect`, async ({
    stack,
  }) => {
    const { running, release } = await holdClient(stack, { program, args, connection: 1 });
    const startedMs = performance.now();
    // Only now: NATS drops a queue that does not answer its pings, and then says at once that nobody listens.
    strikeQueue(stack, "SIGSTOP");
    try {
      await until("the connection was slow", () => performance.now() - startedMs > CONNECTING_MS);
      release();
      assertSaid(stack, await running.finished);
      const tookMs = performance.now() - startedMs;
      assert.ok(tookMs < TOLD_MS, `${tookMs} ms`);
    } finally {
      strikeQueue(stack, "SIGCONT");
    }
    await until("the queue answers", async () => (await stack.run("cb-status", [])).code === 0);
  });
}

async function assertToldOperator(stack: Stack): Promise<void> {
  const startedMs = performance.now();
  const { code, stderr } = await stack.run("cb-admin", ["builders"]);
  const tookMs = performance.now() - startedMs;
  assert.is(code, 69, stderr);
  assert.match(stderr, `the queue does not answer (NATS at ${stack.clientSettings().url})`);
  assert.match(stderr, `the settings come from ${stack.statePath()}`);
  assert.ok(tookMs < TOLD_MS, `${tookMs} ms`);
}

test("cb-admin says within 5 s that a frozen queue does not answer, with the address and the settings", async ({
  stack,
}) => {
  strikeQueue(stack, "SIGSTOP");
  try {
    await assertToldOperator(stack);
  } finally {
    strikeQueue(stack, "SIGCONT");
  }
  await until("the queue answers", async () => (await stack.run("cb-admin", ["builders"])).code === 0);
});

test("container-builder says so of a frozen queue within 5 s, with the address", async ({ stack }) => {
  const args = [stack.path("image.sif"), HELLO];
  const { running, release } = await holdClient(stack, { program: "container-builder", args, connection: 1 });
  const startedMs = performance.now();
  strikeQueue(stack, "SIGSTOP");
  try {
    await until("the connection was slow", () => performance.now() - startedMs > CONNECTING_MS);
    release();
    await running.seen(/Requesting remote builder: the queue does not answer; retrying/);
    const said = await running.seen(/the request was sent to NATS at .*\n/);
    const tookMs = performance.now() - startedMs;
    assert.ok(tookMs < TOLD_MS, `${tookMs} ms`);
    assert.match(
      said,
      `the request was sent to NATS at ${stack.clientSettings().url}; the address comes from ${stack.statePath()}`,
    );
  } finally {
    running.kill("SIGKILL");
    strikeQueue(stack, "SIGCONT");
  }
});

test("a queue that was killed is missed at once, by every question", async ({ stack }) => {
  await stack.queueEnds("SIGKILL");
  for (const [program, ...args] of QUESTIONS) {
    const { running, release } = await holdClient(stack, { program, args, connection: 1 });
    const startedMs = performance.now();
    release();
    assertSaid(stack, await running.finished);
    const tookMs = performance.now() - startedMs;
    assert.ok(tookMs < TOLD_MS, `${tookMs} ms`);
  }
  await assertToldOperator(stack);
});

test.run();
