/**
 * How long QueueClient repeats a request: without limit while the queue is absent, for a limited time while it refuses.
 */
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

const test = suite<{ server: PlainNats; queueNc: NatsConnection; client: QueueClient; clock: CountingClock }>(
  "QueueClient",
);

const builder = randomUUID();
const REFUSALS_MS = 600_000;
const never = new AbortController().signal;

/** A clock with sleeps that return at once; it adds up their durations. */
class CountingClock implements Clock {
  sleptMs = 0;
  /** Called in each sleep. */
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
  context.queueNc = await context.server.connect("core");
  context.clock = new CountingClock();
  const { publicKey } = createKey("user");
  const nc = await context.server.connect("core");
  context.client = new QueueClient({ nc, builder, publicKey, clock: context.clock, log: () => undefined });
});
test.after.each(({ server }) => server.stop());

/** Starts a queue that replies with `handler`. */
async function startQueue(nc: NatsConnection, handler: () => AgentReply): Promise<void> {
  new RpcServer({ nc, onRefused: () => undefined }).serve(agentAsk, async () => handler());
  await nc.flush();
}

const refuse = (): never => {
  throw new CbError("infrastructure", "NATS has no storage left for it");
};

test("ask() waits for a queue that is absent for longer than refusalsMs", async ({ client, clock, queueNc }) => {
  clock.onSleep = async () => {
    if (clock.sleptMs < 2 * REFUSALS_MS) return;
    clock.onSleep = () => undefined;
    await startQueue(queueNc, () => ({ v: 1, order: "space-reserved" }));
  };
  assert.is((await client.ask({ state: "ready" }, never, REFUSALS_MS)).order, "space-reserved");
  assert.ok(clock.sleptMs >= 2 * REFUSALS_MS);
});

test("ask() throws the queue's error after refusalsMs of refusals, and not before", async ({
  client,
  clock,
  queueNc,
}) => {
  await startQueue(queueNc, refuse);
  const error = await rejection(client.ask({ state: "ready" }, never, REFUSALS_MS));
  assert.match((error as CbError).message, "NATS has no storage left for it");
  assert.ok(clock.sleptMs > REFUSALS_MS - 10_000 && clock.sleptMs <= REFUSALS_MS, `${clock.sleptMs} ms`);
});

test("ask() does not count refusals before an absence of the queue", async ({ client, clock, queueNc }) => {
  await startQueue(queueNc, refuse);
  const enough = new AbortController();
  clock.onSleep = async () => {
    if (clock.sleptMs > 0.8 * REFUSALS_MS && !queueNc.isClosed()) await queueNc.close();
    if (clock.sleptMs > 2 * REFUSALS_MS) enough.abort();
  };
  assert.is(await rejection(client.ask({ state: "ready" }, enough.signal, REFUSALS_MS)), enough.signal.reason);
});

test.run();
