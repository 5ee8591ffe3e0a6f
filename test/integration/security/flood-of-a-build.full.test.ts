/**
 * A builder is hostile, and so may be whoever called it: messages without end from their credentials, on every subject that
 * these may use, all with one reply subject, which costs nats-server most. Others hear and are heard beside it.
 */
// alone: it measures how long others wait.
// timeout: 900 s
import { randomUUID } from "node:crypto";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { formatCreds } from "../../../lib/nats/credentials/creds.ts";
import { createKey } from "../../../lib/nats/credentials/nkey.ts";
import { openConsumerProxy } from "../../../lib/nats/jetstream/consumer-proxy.ts";
import { call } from "../../../lib/nats/rpc/client.ts";
import { RpcServer } from "../../../lib/nats/rpc/server.ts";
import { type BuildRole, builderPermissions, buildPermissions } from "../../../lib/protocol/permissions.ts";
import * as registry from "../../../lib/protocol/requests.ts";
import {
  buildBucketStream,
  buildStream,
  GUEST_API_PREFIX,
  principals,
  subjects,
} from "../../../lib/protocol/subjects.ts";
import { makeBuildStreams } from "../../support/nats/build-streams.ts";
import { Flooder } from "../../support/nats/flood.ts";
import { startBus, type TestBus } from "../../support/nats/nats.ts";

/** Seconds of all that one process can send, and more than enough outstanding answers to stop nats-server 2.10 without doors. */
const MESSAGES = 100_000;
/** A client asks again for 20 s before it gives up. */
const PATIENCE_MS = 15_000;
const HOUR_MS = 3_600_000;

const test = suite<{ bus: TestBus; flooder: Flooder }>("flood of a build");

const [evil, hers] = [randomUUID(), randomUUID()];

test.before(async (world) => {
  world.bus = await startBus();
  world.flooder = await Flooder.open(world.bus);
  const core = await world.bus.core();
  for (const build of [evil, hers]) await makeBuildStreams(await core.jetstreamManager(), build);
  const [reading, asked] = [await world.bus.core(), await world.bus.core()];
  const readers = openConsumerProxy(reading);
  const listener = new RpcServer({ nc: asked, onRefused: () => undefined });
  listener.serve(registry.builds, async () => ({ v: 1 as const, nowMs: 0, builds: [] }));
  listener.serve(registry.agentAsk, async () => ({ v: 1 as const, order: "none" as const }));
  // As the queue does of all that it knows.
  listener.expect(principals.builders, hers);
  listener.expect(principals.users, "ada");
  readers.expect(buildStream(hers));
  await Promise.all([reading.flush(), asked.flush()]);
});
test.after(async ({ bus, flooder }) => {
  flooder?.close();
  await bus?.stop();
});

/** How long each of what another build, its builder and its caller do took at most while `flooding`, in ms. */
async function beside(bus: TestBus, flooding: () => boolean): Promise<Record<string, number>> {
  const [agent, builder, caller] = [await bus.build(hers, "agent"), await bus.builder(hers), await bus.user("ada")];
  const reader = await bus.build(hers, "caller");
  const timeout = PATIENCE_MS;
  const follow = JSON.stringify({ stream_name: buildStream(hers), config: {} });
  const ask = { v: 1, builder: hers, publicKey: builder.publicKey, state: "ready" } as const;
  const works: Record<string, () => Promise<unknown>> = {
    line: () => agent.connection.request(subjects.log(hers), "a line\n", { timeout }),
    info: () => agent.connection.request(`${GUEST_API_PREFIX}.STREAM.INFO.${buildBucketStream(hers)}`, "", { timeout }),
    reader: () =>
      reader.connection.request(
        `${GUEST_API_PREFIX}.CONSUMER.CREATE.${buildStream(hers)}.hers.${subjects.log(hers)}`,
        follow,
        { timeout },
      ),
    ask: () => call(registry.agentAsk, { nc: builder.connection, principal: hers, request: ask, timeoutMs: timeout }),
    builds: () =>
      call(registry.builds, { nc: caller.connection, principal: "ada", request: { v: 1 }, timeoutMs: timeout }),
  };
  const longestMs = new Map<string, number>();
  while (flooding()) {
    for (const [what, work] of Object.entries(works)) {
      const beginMs = performance.now();
      await work();
      longestMs.set(what, Math.max(longestMs.get(what) ?? 0, performance.now() - beginMs));
    }
  }
  for (const { connection } of [agent, builder, caller, reader]) await connection.close();
  return Object.fromEntries([...longestMs].map(([what, ms]) => [what, Math.ceil(ms)]));
}

async function assertOthersServed(world: { bus: TestBus; flooder: Flooder }, creds: string, subject: string) {
  const flood = await world.flooder.start({ creds, subject, messages: MESSAGES });
  const longestMs = await beside(world.bus, () => flood.flooding);
  console.log(`${await flood.ended}; beside it at most, in ms: ${JSON.stringify(longestMs)}`);
  assert.is(Object.keys(longestMs).length, 5);
}

const rightsOf = (role: BuildRole) => buildPermissions(role, evil, createKey("user").publicKey).pub?.allow ?? [];
for (const role of ["agent", "caller"] as const) {
  for (const pattern of rightsOf(role)) {
    const subject = pattern.replace(/[*>]$/, "x");
    test(`by a build's ${role}, on ${subject.replaceAll(evil, "<id>")}`, async (world) => {
      const key = createKey("user");
      const grant = { build: evil, role, publicKey: key.publicKey, expiresAtMs: Date.now() + HOUR_MS };
      await assertOthersServed(world, formatCreds(world.bus.issuer.buildJwt(grant), key), subject);
    });
  }
}

for (const subject of builderPermissions(evil, createKey("user").publicKey).pub?.allow ?? []) {
  test(`by a builder, on ${subject.replaceAll(evil, "<id>")}`, async (world) => {
    const { creds } = world.bus.issuer.builderCreds(evil, Date.now() + HOUR_MS);
    await assertOthersServed(world, creds, subject);
  });
}

test.run();
