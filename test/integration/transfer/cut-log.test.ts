/** followBuild() on a log that has lost its last message: it ends with LogCut instead of waiting for ever. */
import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import type { StreamConfig } from "nats";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { followBuild, LogCut, streamInfo } from "../../../lib/cli/watch/follow.ts";
import { connectNats } from "../../../lib/nats/connection.ts";
import { createKey } from "../../../lib/nats/credentials/nkey.ts";
import { openConsumerProxy } from "../../../lib/nats/jetstream/consumer-proxy.ts";
import { buildStream, subjects } from "../../../lib/protocol/subjects.ts";
import { makeBuildStreams } from "../../support/nats/build-streams.ts";
import { startTestNats, type TestNats } from "../../support/nats/nats.ts";

const test = suite<{ bus: TestNats }>("cut log");

test.before(async (context) => {
  context.bus = await startTestNats();
  openConsumerProxy(await context.bus.core());
});
test.after(async ({ bus }) => {
  await bus?.stop();
});

/** A build with one line of output, and a client that follows it. */
async function scene(bus: TestNats) {
  const build = randomUUID();
  const core = await bus.core();
  const manager = await core.jetstreamManager();
  await makeBuildStreams(manager, build);
  await core.jetstream().publish(subjects.log(build), "a line\n");
  const key = createKey("user");
  const expiresAtMs = Date.now() + 3_600_000;
  const jwt = bus.issuer.buildJwt({ build, role: "caller", publicKey: key.publicKey, expiresAtMs });
  const { serverName, files } = bus.installation;
  const address = { url: bus.url, servername: serverName, ca: readFileSync(files.caFile, "utf8") };
  const nc = await connectNats({ address, credential: { jwt, key }, name: "test" });
  const follow = (fromNow: boolean) =>
    followBuild(nc, { build, fromNow, signal: new AbortController().signal, onWaiting: () => undefined });
  const sealed: Partial<StreamConfig> = { sealed: true };
  const seal = () => manager.streams.update(buildStream(build), sealed);
  return { build, core, nc, follow, seal };
}

async function endOf(events: AsyncIterable<unknown>): Promise<{ count: number; error: unknown }> {
  let count = 0;
  try {
    for await (const _ of events) count += 1;
    return { count, error: undefined };
  } catch (error) {
    return { count, error };
  }
}

test("a sealed log without a final state ends with LogCut after its last line", async ({ bus }) => {
  const { nc, follow, seal, build } = await scene(bus);
  await seal();
  const all = await endOf(follow(false));
  assert.is(all.count, 1);
  assert.instance(all.error, LogCut);
  assert.match(String(all.error), `the log of build ${build} is cut`);
  assert.instance((await endOf(follow(true))).error, LogCut);
  await nc.close();
});

test("a sealed log with a final state ends without an error", async ({ bus }) => {
  const { nc, core, follow, seal, build } = await scene(bus);
  const final = { v: 1, state: "failed", exitCode: 1, reason: "it failed" };
  await core.jetstream().publish(subjects.state(build), JSON.stringify(final));
  await seal();
  assert.equal(await endOf(follow(false)), { count: 2, error: undefined });
  await nc.close();
});

test("a slow reader of sealed logs reads each to its end, also on nats-server 2.9.10, which counts the rest wrongly", async ({
  bus,
}) => {
  // The counts differ from log to log.
  for (let round = 0; round < 20; round++) {
    const { nc, core, follow, seal, build } = await scene(bus);
    const js = core.jetstream();
    const building = JSON.stringify({ v: 1, state: "building" });
    for (let state = 0; state < 2; state++) await js.publish(subjects.state(build), building);
    for (let line = 0; line < 5; line++) await js.publish(subjects.log(build), `${line}\n`);
    const final = { v: 1, state: "failed", exitCode: 1, reason: "it failed" };
    await js.publish(subjects.state(build), JSON.stringify(final));
    await seal();
    const events = follow(false);
    // The count was wrong from the fourth message on.
    for (let read = 0; read < 4; read++) await events.next();
    // Its reply comes after that to the reader's own question whether the log is sealed.
    assert.is((await streamInfo(nc, build))?.config.sealed, true);
    assert.equal(await endOf(events), { count: 5, error: undefined });
    await nc.close();
  }
});

test("a log that is sealed while NATS is away, without its final state, ends after the outage", async ({ bus }) => {
  const { nc, follow, seal } = await scene(bus);
  const events = follow(false);
  assert.is((await events.next()).value?.kind, "log");
  await seal();
  await bus.restart();
  assert.instance((await endOf(events)).error, LogCut);
  await nc.close();
});

test.run();
