/** What the queue answers to whoever asks, over a real import: a reply, or a refusal that says whose fault it is. */
import { randomUUID } from "node:crypto";
import type { NatsConnection } from "nats";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { CbError } from "../../../lib/core/errors.ts";
import { openKvStore } from "../../../lib/nats/jetstream/kv.ts";
import { call } from "../../../lib/nats/rpc/client.ts";
import { RpcServer } from "../../../lib/nats/rpc/server.ts";
import * as registry from "../../../lib/protocol/requests.ts";
import { startBus, type TestBus } from "../../support/nats/nats.ts";
import { rejection } from "../../support/rejection.ts";

interface World {
  bus: TestBus;
  core: NatsConnection;
  /** On which the listener hears. */
  heard: NatsConnection;
  listener: RpcServer;
  ada: NatsConnection;
  refused: [string, string][];
}
const test = suite<World>("Listener");

test.before.each(async (world) => {
  world.bus = await startBus();
  world.core = await world.bus.core();
  world.refused = [];
  const onRefused = (subject: string, { kind }: CbError) => world.refused.push([subject, kind]);
  world.heard = await world.bus.core();
  world.listener = new RpcServer({ nc: world.heard, onRefused });
  world.ada = (await world.bus.user("ada")).connection;
});
test.after.each(({ bus }) => bus?.stop());

const question = { v: 1, build: randomUUID() } as const;
const ask = (nc: NatsConnection): Promise<unknown> =>
  rejection(call(registry.sent, { nc, principal: "ada", request: question, timeoutMs: 10_000 }));

async function serving({ listener, heard }: World, work: () => Promise<unknown>): Promise<void> {
  listener.serve(registry.sent, async () => {
    await work();
    return { v: 1 as const };
  });
  await heard.flush();
}

test("a refusal of the handler's comes with its own words, and is told", async (world) => {
  await serving(world, async () => {
    throw new CbError("denied", "not yours", { hint: "ask for another" });
  });
  const error = (await ask(world.ada)) as CbError;
  assert.equal([error.kind, error.message, error.hint], ["denied", "not yours", "ask for another"]);
  assert.equal(world.refused, [["queue.sent.ada", "denied"]]);
});

test("what fails in the queue is said to be its failure, without a word of how", async (world) => {
  await serving(world, async () => {
    throw new TypeError("x is not a function");
  });
  const error = (await ask(world.ada)) as CbError;
  assert.equal([error.kind, error.message], ["infrastructure", "the queue failed"]);
});

/** What a queue does for an answer, and what NATS keeps it from: the principal may ask again, as when nobody answers. */
const AWAY: Record<string, (world: World) => Promise<unknown>> = {
  "a request that nobody answers": ({ core }) => core.request("nobody.is.here", "", { timeout: 100 }),
  "a request that is answered too late": async ({ core }) => {
    core.subscribe("late", { callback: () => undefined });
    return core.request("late", "", { timeout: 100 });
  },
  "a record that cannot be read in time": async ({ bus, core }) => {
    const keys = await openKvStore(core, { bucket: "records", replicas: 1, maxBytes: 1024 * 1024 });
    const other = await openKvStore(await bus.core(), { bucket: "records", replicas: 1, maxBytes: 1024 * 1024 });
    await other.create("build.x", "{}");
    await core.close();
    return keys.get("build.x");
  },
};
for (const [what, work] of Object.entries(AWAY)) {
  test(`${what} is no failure of the queue's: it cannot be reached`, async (world) => {
    await serving(world, () => work(world));
    const error = (await ask(world.ada)) as CbError;
    assert.is(error.kind, "unreachable", error.message);
    assert.match(error.message, "the queue cannot reach its records");
  });
}

test("what JetStream refuses is a failure, and not an outage", async (world) => {
  await serving(world, async () => {
    const manager = await world.core.jetstreamManager();
    await manager.streams.info("nowhere");
  });
  assert.is(((await ask(world.ada)) as CbError).kind, "infrastructure");
});

test("a reply that is larger than NATS takes is a failure, and said", async (world) => {
  const maxBytes = world.core.info?.max_payload ?? 0;
  world.listener.serve(registry.builds, async () => ({
    v: 1 as const,
    nowMs: 0,
    builds: [],
    more: "x".repeat(maxBytes),
  }));
  await world.heard.flush();
  const { nc, principal } = { nc: world.ada, principal: "ada" };
  const error = await rejection(call(registry.builds, { nc, principal, request: { v: 1 }, timeoutMs: 10_000 }));
  assert.equal([(error as CbError).kind, (error as CbError).message], ["infrastructure", "the queue failed"]);
});

test("a question that nobody serves is refused by name", async (world) => {
  await serving(world, async () => undefined);
  const { nc, principal } = { nc: world.ada, principal: "ada" };
  const error = await rejection(call(registry.builds, { nc, principal, request: { v: 1 }, timeoutMs: 10_000 }));
  assert.equal([(error as CbError).kind, (error as CbError).message], ["usage", "nobody is asked on queue.builds.ada"]);
});

test.run();
