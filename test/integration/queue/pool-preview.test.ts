/** The dry run of a plan, on real records: it says what a look would do, and leaves everything as it is. */
import { randomUUID } from "node:crypto";
import type { NatsConnection } from "nats";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { systemClock } from "../../../lib/core/clock.ts";
import { createLogger } from "../../../lib/core/log.ts";
import { openPool } from "../../../lib/pool/open.ts";
import type { Pool } from "../../../lib/pool/pool.ts";
import { poolPolicy } from "../../../lib/pool/reconciler/policy.ts";
import { survey } from "../../../lib/pool/survey.ts";
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
  // Never started: only what a test asks for is done.
  pool = await openPool({ nc, replicas: 1, ...rest });
  pool.setListening(true);
});
test.after(async () => {
  await pool?.stop();
  await nc?.close();
  await server?.stop();
});

/** Everything that a look could change: every record, slot and event by its sequence, and the machines. */
async function everything() {
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
  const before = await everything();
  const result = await work();
  assert.equal(await everything(), before);
  return result;
}

function plant(generation: string, changes: Partial<Machine> = {}): string {
  const builder = randomUUID();
  const identity = { installation: "i", generation, pool: "p", builder, attempt: randomUUID() };
  cloud.plant({ ...identity, status: "running", host: "planted", createdAtMs: systemClock.nowMs(), ...changes });
  return builder;
}

test("preview() of an empty pool says what to create, however often, and creates nothing", async () => {
  await unchanged(async () => {
    assert.equal(await kinds(), ["create", "create"]);
    const { plan } = await pool.preview();
    assert.match(plan.actions[0]?.reason ?? "", "0 ready and 0 on their way, 2 wanted");
    assert.ok(plan.nextPassAtMs > systemClock.nowMs());
  });
  await pool.runPass();
  assert.is(cloud.machines.size, 2, "a look does what the preview said");
  await until("both have come up", () => [...cloud.machines.values()].every(({ status }) => status === "running"));
});

test("preview() is no look that confirms anything: an unknown machine is doomed only after a look has seen it", async () => {
  const { observed: seen } = await pool.preview();
  const unknown = plant(seen.generation);
  await unchanged(async () => {
    for (let times = 0; times < 3; times++) assert.not((await kinds()).includes("destroyUnknown"));
  });
  await pool.runPass();
  await unchanged(async () => {
    const { plan } = await pool.preview();
    assert.ok(plan.actions.some((action) => action.kind === "destroyUnknown" && action.builder === unknown));
  });
  assert.is(cloud.machines.get(unknown)?.status, "running");
});

test("destroyForeign() destroys a machine of another generation, and refuses one of this", async () => {
  const { observed: seen } = await pool.preview();
  const [foreign, unknown, elsewhere] = [plant("other"), plant(seen.generation), plant("other", { pool: "q" })];
  const states = new Map(
    survey((await pool.preview()).observed, { pool: "p", pools }).map((one) => [one.builder, one.state]),
  );
  assert.equal(
    [states.get(foreign), states.get(unknown), states.get(elsewhere)],
    ["other generation", "unknown", "other generation"],
  );
  const [recorded] = pool.status().booting;
  for (const builder of [unknown, recorded?.builder ?? ""]) {
    const error = await pool.destroyOtherGeneration(builder, pools).catch((thrown: Error) => thrown.message);
    assert.match(String(error), "the reconciler looks after it");
  }
  assert.is(await pool.destroyOtherGeneration(randomUUID(), pools), false);
  assert.is(await pool.destroyOtherGeneration(elsewhere, new Set(["p", "q"])), false, "pool q is asked about it");
  assert.is(await pool.destroyOtherGeneration(elsewhere, pools), true, "nobody else can be asked");
  assert.is(await pool.destroyOtherGeneration(foreign, pools), true);
  const left = [foreign, elsewhere, unknown].map((builder) => cloud.machines.get(builder)?.status ?? "destroying");
  assert.equal(left, ["destroying", "destroying", "running"]);
});

test("preview() says why nothing can be planned when the provider cannot be listed", async () => {
  cloud.trouble = 1;
  const { plan } = await pool.preview();
  cloud.trouble = 0;
  assert.equal(
    [plan.actions.length, plan.reason],
    [0, "the provider cannot be listed in full: simulated: the listing failed"],
  );
});

test.run();
