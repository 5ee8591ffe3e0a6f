/** How long an agent asks: for ever where nobody answers, and for a time where the queue goes on saying no. */
import { randomUUID } from "node:crypto";
import type { NatsConnection } from "nats";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { QueueClient } from "../../../agent/queue-client.ts";
import type { Clock } from "../../../lib/core/clock.ts";
import { CbError } from "../../../lib/core/errors.ts";
import { createKey } from "../../../lib/nats/credentials/nkey.ts";
import { RpcServer } from "../../../lib/nats/rpc/server.ts";
import type { AgentReply } from "../../../lib/protocol/builder-messages.ts";
import { agentAsk } from "../../../lib/protocol/requests.ts";
import { type PlainNats, startPlainNats } from "../../support/nats/plain-nats.ts";
import { rejection } from "../../support/rejection.ts";

const test = suite<{ server: PlainNats; queue: NatsConnection; principal: QueueClient; clock: Counting }>("Asker");

const builder = randomUUID();
const REFUSALS_MS = 600_000;
const never = new AbortController().signal;

/** Nobody waits on it; it counts how long they would have. */
class Counting implements Clock {
  sleptMs = 0;
  /** Called at each sleep. */
  onSleep: () => void | Promise<void> = () => undefined;

  nowMs(): number {
    return this.sleptMs;
  }

  readonly sleep = async (ms: number): Promise<void> => {
    this.sleptMs += ms;
    await this.onSleep();
  };
}

test.before.each(async (context) => {
  context.server = await startPlainNats();
  context.queue = await context.server.connect("core");
  context.clock = new Counting();
  const { publicKey } = createKey("user");
  const nc = await context.server.connect("core");
  context.principal = new QueueClient({ nc, builder, publicKey, clock: context.clock, say: () => undefined });
});
test.after.each(({ server }) => server.stop());

/** A queue that answers so from now on. */
async function answering(nc: NatsConnection, handler: () => AgentReply): Promise<void> {
  new RpcServer({ nc, onRefused: () => undefined }).serve(agentAsk, async () => handler());
  await nc.flush();
}

const full = (): never => {
  throw new CbError("infrastructure", "NATS has no storage left for it");
};

test("a queue that is absent for longer than refusals may last is waited for", async ({ principal, clock, queue }) => {
  clock.onSleep = async () => {
    if (clock.sleptMs < 2 * REFUSALS_MS) return;
    clock.onSleep = () => undefined;
    await answering(queue, () => ({ v: 1, order: "space-reserved" }));
  };
  assert.is((await principal.ask({ state: "ready" }, never, REFUSALS_MS)).order, "space-reserved");
  assert.ok(clock.sleptMs >= 2 * REFUSALS_MS);
});

test("what the queue refuses for the whole time is thrown in its own words, and not before", async ({
  principal,
  clock,
  queue,
}) => {
  await answering(queue, full);
  const error = await rejection(principal.ask({ state: "ready" }, never, REFUSALS_MS));
  assert.match((error as CbError).message, "NATS has no storage left for it");
  assert.ok(clock.sleptMs > REFUSALS_MS - 10_000 && clock.sleptMs <= REFUSALS_MS, `${clock.sleptMs} ms`);
});

test("refusals before an absence do not count", async ({ principal, clock, queue }) => {
  await answering(queue, full);
  const enough = new AbortController();
  clock.onSleep = async () => {
    if (clock.sleptMs > 0.8 * REFUSALS_MS && !queue.isClosed()) await queue.close();
    if (clock.sleptMs > 2 * REFUSALS_MS) enough.abort();
  };
  assert.is(await rejection(principal.ask({ state: "ready" }, enough.signal, REFUSALS_MS)), enough.signal.reason);
});

test.run();
