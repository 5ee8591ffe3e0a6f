/** RpcServer over a real service import: it sends a reply, or a refusal that shows whether the request or the queue failed. */
import { randomUUID } from "node:crypto";
import type { NatsConnection } from "nats";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { CbError } from "../../../lib/core/errors.ts";
import { openKvStore } from "../../../lib/nats/jetstream/kv.ts";
import { call } from "../../../lib/nats/rpc/client.ts";
import { RpcServer } from "../../../lib/nats/rpc/server.ts";
import * as registry from "../../../lib/protocol/requests.ts";
import { startTestNats, type TestNats } from "../../support/nats/nats.ts";
import { rejection } from "../../support/rejection.ts";

interface World {
  nats: TestNats;
  core: NatsConnection;
  /** The connection of the server. */
  serverConnection: NatsConnection;
  server: RpcServer;
  ada: NatsConnection;
  refused: [string, string][];
}
const test = suite<World>("RpcServer");

test.before.each(async (world) => {
  world.nats = await startTestNats();
  world.core = await world.nats.core();
  world.refused = [];
  const onRefused = (subject: string, { kind }: CbError) => world.refused.push([subject, kind]);
  world.serverConnection = await world.nats.core();
  world.server = new RpcServer({ nc: world.serverConnection, onRefused });
  world.ada = (await world.nats.user("ada")).connection;
});
test.after.each(({ nats }) => nats?.stop());

const request = { v: 1, build: randomUUID() } as const;
/** The error of a request `sent`. */
const failureOf = (nc: NatsConnection): Promise<unknown> =>
  rejection(call(registry.sent, { nc, principal: "ada", request, timeoutMs: 10_000 }));

/** Serves `sent` with a handler that does `work`. */
async function serve({ server, serverConnection }: World, work: () => Promise<unknown>): Promise<void> {
  server.serve(registry.sent, async () => {
    await work();
    return { v: 1 as const };
  });
  await serverConnection.flush();
}

test("a CbError of the handler reaches the client with kind, message and hint, and is reported to onRefused", async (world) => {
  await serve(world, async () => {
    throw new CbError("denied", "not yours", { hint: "ask for another" });
  });
  const error = (await failureOf(world.ada)) as CbError;
  assert.equal([error.kind, error.message, error.hint], ["denied", "not yours", "ask for another"]);
  assert.equal(world.refused, [["queue.sent.ada", "denied"]]);
});

test("a bug in the handler reaches the client as a failure of the queue, without its message", async (world) => {
  await serve(world, async () => {
    throw new TypeError("x is not a function");
  });
  const error = (await failureOf(world.ada)) as CbError;
  assert.equal([error.kind, error.message], ["infrastructure", "the queue failed"]);
});

/** Handlers that fail because NATS or JetStream is unavailable. A client may retry, as when no queue replies. */
const UNAVAILABLE: Record<string, (world: World) => Promise<unknown>> = {
  "a request without a responder": ({ core }) => core.request("no.responder", "", { timeout: 100 }),
  "a request with a late reply": async ({ core }) => {
    core.subscribe("late", { callback: () => undefined });
    return core.request("late", "", { timeout: 100 });
  },
  "a record that cannot be read because the connection is closed": async ({ nats, core }) => {
    const keys = await openKvStore(core, { bucket: "records", replicas: 1, maxBytes: 1024 * 1024 });
    const other = await openKvStore(await nats.core(), { bucket: "records", replicas: 1, maxBytes: 1024 * 1024 });
    await other.create("build.x", "{}");
    await core.close();
    return keys.get("build.x");
  },
};
for (const [cause, work] of Object.entries(UNAVAILABLE)) {
  test(`a handler that fails on ${cause} reaches the client as "unreachable"`, async (world) => {
    await serve(world, () => work(world));
    const error = (await failureOf(world.ada)) as CbError;
    assert.is(error.kind, "unreachable", error.message);
    assert.match(error.message, "the queue cannot reach its records");
  });
}

test('a handler that JetStream refuses reaches the client as a failure, not as "unreachable"', async (world) => {
  await serve(world, async () => {
    const manager = await world.core.jetstreamManager();
    await manager.streams.info("nowhere");
  });
  assert.is(((await failureOf(world.ada)) as CbError).kind, "infrastructure");
});

test("a reply larger than max_payload reaches the client as a failure of the queue", async (world) => {
  const maxBytes = world.core.info?.max_payload ?? 0;
  world.server.serve(registry.builds, async () => ({
    v: 1 as const,
    nowMs: 0,
    builds: [],
    more: "x".repeat(maxBytes),
  }));
  await world.serverConnection.flush();
  const { nc, principal } = { nc: world.ada, principal: "ada" };
  const error = await rejection(call(registry.builds, { nc, principal, request: { v: 1 }, timeoutMs: 10_000 }));
  assert.equal([(error as CbError).kind, (error as CbError).message], ["infrastructure", "the queue failed"]);
});

test("a request without a handler is refused, and the refusal names its subject", async (world) => {
  await serve(world, async () => undefined);
  const { nc, principal } = { nc: world.ada, principal: "ada" };
  const error = await rejection(call(registry.builds, { nc, principal, request: { v: 1 }, timeoutMs: 10_000 }));
  assert.equal(
    [(error as CbError).kind, (error as CbError).message],
    ["usage", "the queue serves no request on queue.builds.ada"],
  );
});

test.run();
