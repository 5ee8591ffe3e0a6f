import { randomUUID } from "node:crypto";
import type { NatsConnection } from "nats";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { systemClock } from "../../../lib/core/clock.ts";
import { createLogger } from "../../../lib/core/log.ts";
import { openPool } from "../../../lib/pool/open.ts";
import type { Pool } from "../../../lib/pool/pool.ts";
import { poolPolicy } from "../../../lib/pool/reconciler/policy.ts";
import { SimCloud } from "../../sim/cloud.ts";
import { fastClock } from "../../sim/fast-clock.ts";
import { Random } from "../../sim/random.ts";
import { type PlainNats, startPlainNats } from "../../support/nats/plain-nats.ts";

/** The pool on a real nats-server. Only the cloud is simulated, a hundred times faster than in the simulation. */
const test = suite("pool on nats-server");

const log = createLogger({ name: "test", level: "silent" });
const clock = systemClock;
const LIMIT_MS = 20_000;

/** Passes by the clock are so rare that only events start one during the test. */
const policy = poolPolicy({ pool: "p", reserveTarget: 1, totalMax: 2, relistMs: 60_000, pendingMs: 60_000 });

let server: PlainNats;
let nc: NatsConnection;
let cloud: SimCloud;
let pool: Pool;

test.before(async () => {
  server = await startPlainNats();
  nc = await server.connect("core");
  cloud = new SimCloud(fastClock(100), new Random(1), { created: () => {}, destroyed: () => {} });
  pool = await startPool();
});

test.after(async () => {
  await pool?.stop();
  await nc?.close();
  await server?.stop();
});

async function startPool(): Promise<Pool> {
  const userDataFor = async () => "{}";
  const rest = { provider: cloud, policy, installation: "i", userDataFor, clock, log };
  const opened = await openPool({ nc, replicas: 1, ...rest });
  opened.setListening(true);
  opened.start();
  return opened;
}

/** Sends heartbeats of the agents until the condition is true. */
async function until(awaited: string, condition: () => boolean): Promise<void> {
  const startedMs = clock.nowMs();
  while (!condition()) {
    assert.ok(clock.nowMs() - startedMs < LIMIT_MS, `${awaited}: ${JSON.stringify(pool.status())}`);
    for (const { builder, awake } of cloud.machines.values()) if (awake) await pool.heartbeat(builder, "idle");
    await clock.sleep(10);
  }
}

test("events alone start the passes that create a builder and replace a leased one", async () => {
  await until("the first builder is ready", () => pool.readyBuilders().length === 1);
  const [first] = pool.readyBuilders();
  assert.ok(first);
  const build = randomUUID();
  assert.is(await pool.lease(first.builder, build), true);
  assert.is(await pool.lease(first.builder, randomUUID()), false);
  await until("another builder is ready", () => pool.readyBuilders().length === 1);
  assert.equal([pool.status().active.map((view) => view.build), pool.status().reason], [[build], ""]);
});

test("a pool that is stopped and opened again has its leases and its reserve", async () => {
  // An agent may send a heartbeat before a listing has shown its machine, and only the listing has the host.
  await until("its host is stored", () => pool.status().reserve.every(({ host }) => host !== ""));
  const before = pool.status();
  await pool.stop();
  const existing = [...cloud.machines.keys()].sort();
  pool = await startPool();
  const after = pool.status();
  assert.equal([after.active, after.reserve], [before.active, before.reserve]);
  assert.is(pool.readyBuilders().length, 0, "no heartbeat has been received yet");
  await until("the reserve has sent a heartbeat again", () => pool.readyBuilders().length === 1);
  assert.equal([...cloud.machines.keys()].sort(), existing);
});

test("release() destroys the machine, notifies when it is gone, and frees the slot", async () => {
  const [lease] = pool.leases();
  assert.ok(lease);
  let goneBuild: string | undefined;
  const end = pool.onGone((event) => {
    goneBuild = event.build;
  });
  await pool.release(lease.builder, "the build has ended");
  await until("the machine is gone", () => {
    pool.wake("clouds send no events");
    return goneBuild === lease.build;
  });
  end();
  assert.equal([cloud.machines.has(lease.builder), pool.leases().length], [false, 0]);
  assert.equal((await pool.heartbeat(lease.builder, "idle")).alive, false);
});

test.run();
