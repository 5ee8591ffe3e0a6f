/**
 * A builder is hostile, and its caller may be too: a flood from each of their credentials on every subject that it may publish on,
 * with one reply subject for all, which is the most expensive case for nats-server. Another build is served meanwhile.
 */
// alone: it measures how long another build waits.
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
import { startTestNats, type TestNats } from "../../support/nats/nats.ts";

/** Some seconds of a process that publishes as fast as it can. Without message limits they would stop nats-server 2.10. */
const MESSAGES = 100_000;
/** A client retries for 20 s before it gives up. */
const LIMIT_MS = 15_000;
const HOUR_MS = 3_600_000;

const test = suite<{ nats: TestNats; flooder: Flooder }>("flood of a build");

const [evil, hers] = [randomUUID(), randomUUID()];

test.before(async (world) => {
  world.nats = await startTestNats();
  world.flooder = await Flooder.open(world.nats);
  const core = await world.nats.core();
  for (const build of [evil, hers]) await makeBuildStreams(await core.jetstreamManager(), build);
  const [proxyConnection, serverConnection] = [await world.nats.core(), await world.nats.core()];
  const readers = openConsumerProxy(proxyConnection);
  const server = new RpcServer({ nc: serverConnection, onRefused: () => undefined });
  server.serve(registry.builds, async () => ({ v: 1 as const, nowMs: 0, builds: [] }));
  server.serve(registry.agentAsk, async () => ({ v: 1 as const, order: "none" as const }));
  // The queue does this for all users, builders and builds that it knows.
  server.expect(principals.builders, hers);
  server.expect(principals.users, "ada");
  readers.expect(buildStream(hers));
  await Promise.all([proxyConnection.flush(), serverConnection.flush()]);
});
test.after(async ({ nats, flooder }) => {
  flooder?.close();
  await nats?.stop();
});

/** The longest time in ms of each request of another build, its builder and its caller, repeated while `flooding`. */
async function longestTimes(nats: TestNats, flooding: () => boolean): Promise<Record<string, number>> {
  const [agent, builder, caller] = [await nats.build(hers, "agent"), await nats.builder(hers), await nats.user("ada")];
  const reader = await nats.build(hers, "caller");
  const timeout = LIMIT_MS;
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
    for (const [name, work] of Object.entries(works)) {
      const beginMs = performance.now();
      await work();
      longestMs.set(name, Math.max(longestMs.get(name) ?? 0, performance.now() - beginMs));
    }
  }
  for (const { connection } of [agent, builder, caller, reader]) await connection.close();
  return Object.fromEntries([...longestMs].map(([name, ms]) => [name, Math.ceil(ms)]));
}

async function assertOthersServed(world: { nats: TestNats; flooder: Flooder }, creds: string, subject: string) {
  const flood = await world.flooder.start({ creds, subject, messages: MESSAGES });
  const longestMs = await longestTimes(world.nats, () => flood.flooding);
  console.log(`${await flood.ended}; longest times of the other build, in ms: ${JSON.stringify(longestMs)}`);
  assert.is(Object.keys(longestMs).length, 5);
}

const rightsOf = (role: BuildRole) =>
  buildPermissions(role, { build: evil }, createKey("user").publicKey).pub?.allow ?? [];
for (const role of ["agent", "caller"] as const) {
  for (const pattern of rightsOf(role)) {
    const subject = pattern.replace(/[*>]$/, "x");
    test(`another build is served during a flood by a build's ${role}, on ${subject.replaceAll(evil, "<id>")}`, async (world) => {
      const key = createKey("user");
      const grant = { build: evil, role, publicKey: key.publicKey, expiresAtMs: Date.now() + HOUR_MS };
      await assertOthersServed(world, formatCreds(world.nats.issuer.buildJwt(grant), key), subject);
    });
  }
}

for (const subject of builderPermissions(evil, createKey("user").publicKey).pub?.allow ?? []) {
  test(`another build is served during a flood by a builder, on ${subject.replaceAll(evil, "<id>")}`, async (world) => {
    const { creds } = world.nats.issuer.builderCreds(evil, Date.now() + HOUR_MS);
    await assertOthersServed(world, creds, subject);
  });
}

test.run();
