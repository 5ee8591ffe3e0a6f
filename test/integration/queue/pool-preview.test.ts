/** preview() on real records: it shows what a pass would do, and changes nothing. */
import { randomUUID } from "node:crypto";
import type { NatsConnection } from "nats";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { systemClock } from "../../../lib/core/clock.ts";
import { createLogger } from "../../../lib/core/log.ts";
import { openPool } from "../../../lib/pool/open.ts";
import type { Pool } from "../../../lib/pool/pool.ts";
import { poolPolicy } from "../../../lib/pool/reconciler/policy.ts";
import { machineViews } from "../../../lib/pool/views.ts";
import type { Machine } from "../../../lib/provider/provider.ts";
import { SimCloud } from "../../sim/cloud.ts";
import { fastClock } from "../../sim/fast-clock.ts";
import { Random } from "../../sim/random.ts";
import { type PlainNats, startPlainNats } from "../../support/nats/plain-nats.ts";
import { until } from "../../support/until.ts";

const test = suite("pool preview");

const policy = poolPolicy({ pool: "p", reserveTarget: 2, totalMax: 6, confirmMs: 0 });
const pools = new Set(["p"]);

let server: PlainNats;
let nc: NatsConnection;
let cloud: SimCloud;
let pool: Pool;

test.before(async () => {
  server = await startPlainNats();
  nc = await server.connect("core");
  cloud = new SimCloud(fastClock(1000), new Random(1), { created: () => {}, destroyed: () => {} });
  const log = createLogger({ name: "test", level: "silent" });
  const rest = { provider: cloud, policy, installation: "i", userDataFor: async () => "{}", clock: systemClock, log };
  // Not started: the pool runs only the passes that a test requests.
  pool = await openPool({ nc, replicas: 1, ...rest });
  pool.setListening(true);
});
test.after(async () => {
  await pool?.stop();
  await nc?.close();
  await server?.stop();
});

/** Everything that a pass could change: records, slots and events by their sequences, and the machines. */
async function snapshot() {
  const manager = await nc.jetstreamManager();
  const streams: unknown[] = [];
  for await (const { config, state } of manager.streams.list()) {
    const { last_seq, messages, bytes } = state;
    streams.push({ name: config.name, last_seq, messages, bytes });
  }
  return {
    streams,
    machines: [...cloud.machines.values()].map((one) => ({ ...one })),
    status: pool.status(),
    failures: pool.failures(),
  };
}

const kinds = async () => (await pool.preview()).plan.actions.map(({ kind }) => kind);

async function unchanged<T>(work: () => Promise<T>): Promise<T> {
  const before = await snapshot();
  const result = await work();
  assert.equal(await snapshot(), before);
  return result;
}

function plant(generation: string, changes: Partial<Machine> = {}): string {
  const builder = randomUUID();
  const identity = { installation: "i", generation, pool: "p", builder, attempt: randomUUID() };
  cloud.plant({ ...identity, status: "running", host: "planted", createdAtMs: systemClock.nowMs(), ...changes });
  return builder;
}

test("preview() of an empty pool plans the creates each time, and creates nothing", async () => {
  await unchanged(async () => {
    assert.equal(await kinds(), ["create", "create"]);
    const { plan } = await pool.preview();
    assert.match(plan.actions[0]?.reason ?? "", "0 ready and 0 booting, 2 wanted");
    assert.ok(plan.nextPassAtMs > systemClock.nowMs());
  });
  await pool.runPass();
  assert.is(cloud.machines.size, 2, "a pass does as the preview showed");
  await until("both machines run", () => [...cloud.machines.values()].every(({ status }) => status === "running"));
});

test("preview() confirms nothing: an unrecorded machine is to be destroyed only after a pass has observed it", async () => {
  const { observed } = await pool.preview();
  const unrecorded = plant(observed.generation);
  await unchanged(async () => {
    for (let times = 0; times < 3; times++) assert.not((await kinds()).includes("destroyUnrecorded"));
  });
  await pool.runPass();
  await unchanged(async () => {
    const { plan } = await pool.preview();
    assert.ok(plan.actions.some((action) => action.kind === "destroyUnrecorded" && action.builder === unrecorded));
  });
  assert.is(cloud.machines.get(unrecorded)?.status, "running");
});

test("destroyOtherGeneration() destroys a machine of another generation, and refuses one of this generation", async () => {
  const { observed } = await pool.preview();
  const [other, unrecorded, ofPoolQ] = [plant("other"), plant(observed.generation), plant("other", { pool: "q" })];
  const states = new Map(
    machineViews((await pool.preview()).observed, { pool: "p", pools }).map((one) => [one.builder, one.state]),
  );
  assert.equal(
    [states.get(other), states.get(unrecorded), states.get(ofPoolQ)],
    ["other generation", "unknown", "other generation"],
  );
  const [recorded] = pool.status().booting;
  for (const builder of [unrecorded, recorded?.builder ?? ""]) {
    const error = await pool.machines.destroyOtherGeneration(builder, pools).catch((thrown: Error) => thrown.message);
    assert.match(String(error), "the reconciler manages it");
  }
  assert.is(await pool.machines.destroyOtherGeneration(randomUUID(), pools), false);
  assert.is(await pool.machines.destroyOtherGeneration(ofPoolQ, new Set(["p", "q"])), false, "pool q manages it");
  assert.is(await pool.machines.destroyOtherGeneration(ofPoolQ, pools), true, "no pool q is configured");
  assert.is(await pool.machines.destroyOtherGeneration(other, pools), true);
  const left = [other, ofPoolQ, unrecorded].map((builder) => cloud.machines.get(builder)?.status ?? "destroying");
  assert.equal(left, ["destroying", "destroying", "running"]);
});

test("preview() gives the reason if the provider cannot be listed", async () => {
  cloud.faultRate = 1;
  const { plan } = await pool.preview();
  cloud.faultRate = 0;
  assert.equal(
    [plan.actions.length, plan.reason],
    [0, "the provider cannot be listed in full: simulated: the listing failed"],
  );
});

test.run();
