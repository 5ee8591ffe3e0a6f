/** Clients and builds while no queue runs and under the next queue; and failures of one build that must not affect others. */
// timeout: 600 s

import { randomUUID } from "node:crypto";
import { readdirSync } from "node:fs";
import { type NatsConnection, StorageType } from "nats";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { messageOf } from "../../../lib/core/errors.ts";
import { connectNats } from "../../../lib/nats/connection.ts";
import { readCreds } from "../../../lib/nats/credentials/creds.ts";
import { createKey } from "../../../lib/nats/credentials/nkey.ts";
import { call } from "../../../lib/nats/rpc/client.ts";
import type { BuildersReply } from "../../../lib/protocol/admin-messages.ts";
import type { ReserveRequest } from "../../../lib/protocol/build-messages.ts";
import { reserve } from "../../../lib/protocol/requests.ts";
import { buildOfStream, buildStream, subjects } from "../../../lib/protocol/subjects.ts";
import type { BuildRecord } from "../../../lib/queue/builds/record.ts";
import { stackConfig } from "../../support/nats/core-connection.ts";
import { KillTestStack } from "../../support/queue/kill-test-stack.ts";
import type { QueueSettings } from "../../support/queue/own-queue.ts";
import { endless, HELLO } from "../../support/recipe/recipes.ts";
import { rejection } from "../../support/rejection.ts";
import type { Running, Stack } from "../../support/stack.ts";
import { until } from "../../support/until.ts";

const test = suite<{ killed: KillTestStack }>("queue away");

const MIB = 2 ** 20;
/** A builder boots within seconds; a loaded machine may need two minutes. */
const BOOT_MS = 120_000;

test.before(async (context) => {
  context.killed = await KillTestStack.start();
});
test.after(async ({ killed }) => {
  await killed?.stop();
});

const start = (stack: Stack, name: string, recipe: string): Running =>
  stack.start("container-builder", [stack.path(`${name}.sif`), recipe]);

/** Resolves to the build's id as soon as the client prints it. */
async function idOf(stack: Stack, running: Running): Promise<string> {
  await running.seen(/Build ID: \S+\n/);
  const { builds } = JSON.parse((await stack.run("cb-builds", ["--json"])).stdout) as { builds: { build: string }[] };
  return builds[0]?.build ?? "";
}

async function maxBytes(core: NatsConnection, build: string): Promise<number> {
  return (await (await core.jetstreamManager()).streams.info(buildStream(build))).config.max_bytes;
}

/** Creates streams that reserve the storage of NATS, except for a part in which a build can wait, but no log fits. */
async function fillStorage(core: NatsConnection): Promise<string[]> {
  const { streams } = await core.jetstreamManager();
  const names: string[] = [];
  const reserve = async (maxBytes: number) => {
    const name = `filler-${randomUUID()}`;
    await streams.add({ name, subjects: [name], storage: StorageType.File, max_bytes: maxBytes });
    names.push(name);
  };
  await reserve(LEFT_BYTES);
  for (let bytes = 2 ** 33; bytes >= LEFT_BYTES; ) {
    const fits = await reserve(bytes).then(
      () => true,
      () => false,
    );
    if (!fits) bytes /= 2;
  }
  await streams.delete(names.shift() ?? "");
  return names;
}

const LEFT_BYTES = 64 * MIB;

test("a cancel while no queue runs takes effect under the next queue", async ({ killed }) => {
  const { stack, queue } = killed;
  const running = start(stack, "cancel", endless(stack, "cancel"));
  await running.seen(/it has begun/);
  await queue.kill();
  running.kill("SIGINT");
  await running.seen(/Cancelling the build: the queue does not answer, retrying/);
  await killed.start();
  const { code, stderr } = await running.finished;
  assert.is(code, 130, stderr);
  assert.match(stderr, "Cancelling the build: Completed");
  await killed.assertClean();
});

test("a client that starts while no queue runs prints that within 5 s, retries for 20 s, and leaves nothing behind", async ({
  killed,
}) => {
  const { stack, queue } = killed;
  await queue.kill();
  const startedMs = performance.now();
  const running = start(stack, "no-queue", HELLO);
  await running.seen(/Requesting remote builder: the queue does not answer; retrying/);
  const printedMs = performance.now() - startedMs;
  assert.ok(printedMs < 5_000, `${printedMs} ms`);
  const { code, stderr } = await running.finished;
  assert.is(code, 69, stderr);
  await killed.start();
  await killed.assertClean();
});

test("waiting builds keep their positions when the queue is killed, and only a running build has space for a log", async ({
  killed,
}) => {
  const { stack, queue, core } = killed;
  await queue.kill("SIGTERM");
  const oneEach = ({ limits }: QueueSettings) => {
    limits.leasedPerUser = 1;
  };
  await killed.start(oneEach);
  const first = start(stack, "first", endless(stack, "first"));
  await first.seen(/it has begun/);
  const firstId = await idOf(stack, first);
  const second = start(stack, "second", HELLO);
  await second.seen(/: 1 of \d+,/);
  const secondId = await idOf(stack, second);
  const third = start(stack, "third", HELLO);
  await third.seen(/: 2 of \d+,/);
  assert.ok((await maxBytes(core, firstId)) > 256 * MIB);
  assert.is(await maxBytes(core, secondId), MIB);

  await queue.kill();
  await killed.start(oneEach);
  const ends: string[] = [];
  const recordEnd = async (name: string, { finished }: Running) => {
    const { code, stderr } = await finished;
    ends.push(name);
    assert.is(code, 0, stderr);
    return stderr;
  };
  const both = Promise.all([recordEnd("second", second), recordEnd("third", third)]);
  first.kill("SIGINT");
  const [, printed] = await both;
  assert.equal(ends, ["second", "third"]);
  assert.match(printed, /2 of \d+,[\s\S]*1 of \d+,/);
  assert.is((await first.finished).code, 130);
  await killed.assertClean();
});

test("a build without storage for its log waits for that of a running build, and is built when storage is free", async ({
  killed,
}) => {
  const { stack, queue, core } = killed;
  await queue.kill("SIGTERM");
  await killed.start();
  const jsm = await core.jetstreamManager();
  const first = start(stack, "first", endless(stack, "first"));
  await first.seen(/it has begun/);
  const fillers = await fillStorage(core);
  const running = start(stack, "held", HELLO);
  await running.seen(/NATS has no storage left for build-/);
  for (const name of fillers) await jsm.streams.delete(name);
  const { code, stderr } = await running.finished;
  assert.is(code, 0, stderr);
  first.kill("SIGINT");
  assert.is((await first.finished).code, 130);
  await killed.assertClean();
});

test("a reservation that fails half way leaves no stream behind", async ({ killed }) => {
  const { stack, queue, core } = killed;
  await queue.kill("SIGTERM");
  await killed.start(({ limits }) => {
    limits.contextMiB = 1024 * 1024;
  });
  const { creds } = stackConfig(stack);
  const credential = await readCreds(creds, Date.now());
  const nc = await connectNats({ address: stackConfig(stack), credential, name: "test" });
  const archive = { kind: "object", maxBytes: 512 * 1024 * MIB } as const;
  const request: ReserveRequest = {
    v: 1,
    request: randomUUID(),
    publicKey: createKey("user").publicKey,
    recipe: { backend: "singularity", text: "Bootstrap: scratch\n", buildArgs: {} },
    context: { directory: "/", highestId: 0, archive },
    name: "x.sif",
  };
  const options = { nc, principal: credential.name, request, timeoutMs: 10_000 };
  const refused = await rejection(call(reserve, options));
  await nc.close();
  assert.match(messageOf(refused), "no storage for this build; storage: ");
  const left: string[] = [];
  for await (const name of (await core.jetstreamManager()).streams.names()) {
    const build = buildOfStream(name);
    if (build !== undefined && name === buildStream(build)) left.push(name);
  }
  const { stdout } = await stack.run("cb-builds", ["--json"]);
  const known = (JSON.parse(stdout) as { builds: { build: string }[] }).builds.map(({ build }) => buildStream(build));
  assert.equal(
    left.filter((name) => !known.includes(name)),
    [],
  );
});

test("a forged final state without an image ends the client with exit code 75", async ({ killed }) => {
  const { stack, queue, core } = killed;
  await queue.kill("SIGTERM");
  await killed.start();
  const running = start(stack, "forged", endless(stack, "forged"));
  await running.seen(/it has begun/);
  const build = await idOf(stack, running);
  const state = { v: 1, state: "succeeded", bytes: 1, digest: `SHA-256=${"A".repeat(43)}=` };
  await core.jetstream().publish(subjects.state(build), JSON.stringify(state));
  const { code, stderr } = await running.finished;
  assert.is(code, 75, stderr);
  assert.match(stderr, "the build succeeded without an image");
  await stack.run("cb-cancel", [build]);
  await killed.assertClean();
});

test("a record that fails in each tick does not delay the others", async ({ killed }) => {
  const { queue, core } = killed;
  await queue.kill("SIGTERM");
  const jsm = await core.jetstreamManager();
  const kv = await core.jetstream().views.kv("cb-builds", { bindOnly: true });
  // Keys are listed in lexical order, so the bad record is first.
  const [bad, old] = ["00000000-0000-4000-8000-000000000000", "ffffffff-ffff-4fff-bfff-ffffffffffff"];
  const ended = { v: 1, state: "failed", exitCode: 1, reason: "" } as const;
  const record = (build: string): BuildRecord => ({
    v: 1,
    build,
    user: "local",
    name: "x.sif",
    request: randomUUID(),
    backend: "singularity",
    pool: "local",
    state: "ended",
    createdAtMs: Date.now(),
    attempt: 0,
    final: ended,
    endedAtMs: Date.now(),
  });
  // Its final state cannot be published, because its stream has another subject.
  await jsm.streams.add({ name: buildStream(bad), subjects: ["elsewhere"], storage: StorageType.Memory });
  await kv.put(`build.${bad}`, JSON.stringify(record(bad)));
  await kv.put(`build.${old}`, JSON.stringify({ ...record(old), announced: true, bucketDeleted: true, endedAtMs: 0 }));
  await killed.start();
  await until("the old record is deleted", async () => (await kv.get(`build.${old}`))?.operation !== "PUT");
  assert.is((await kv.get(`build.${bad}`))?.operation, "PUT");
  await jsm.streams.delete(buildStream(bad));
  await killed.assertClean();
});

test("a machine without a record is destroyed; machines of another generation of records are left", async ({
  killed,
}) => {
  const { stack, queue, core } = killed;
  const { streams } = await core.jetstreamManager();
  const machines = () => readdirSync(stack.statePath("sandboxes")).sort();
  /** The machines of the other generation count against the maximum, so two more must fit. */
  const fourMachines = ({ pools }: QueueSettings) => {
    for (const pool of pools) pool.max = 4;
  };
  /** The queue destroys an unknown machine once several passes of the reconciler have confirmed that it has no record. */
  const loseRecord = async (builder: string) => {
    await queue.kill();
    await (await core.jetstream().views.kv("cb-builders", { bindOnly: true })).purge(`local.${builder}`);
    await killed.start(fourMachines);
    await queue.logs(/destroying an unrecorded machine/);
  };
  const [orphan = ""] = machines();
  await loseRecord(orphan);
  await killed.assertClean();
  const others = machines();
  assert.not.ok(others.includes(orphan));

  await queue.kill();
  for (const name of ["KV_cb-builders", "KV_cb-slots"]) await streams.delete(name);
  await killed.start(fourMachines);
  await queue.logs(/of another generation of records/);
  const ready = await until(
    "a ready builder of the new generation",
    async () => {
      const { pools } = JSON.parse((await stack.run("cb-admin", ["builders", "--json"])).stdout) as BuildersReply;
      return pools.flatMap(({ builders }) => builders).find(({ state }) => state === "ready");
    },
    BOOT_MS,
  );
  // When this machine is confirmed and destroyed, the same passes have left the machines of the other generation.
  await loseRecord(ready.id);
  assert.equal(
    machines().filter((machine) => others.includes(machine)),
    others,
  );
});

test.run();
