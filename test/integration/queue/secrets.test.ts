/** Secrets on their way through the queue: sealed by a client, stored sealed, opened for one lease, sealed to that agent. */
import { randomUUID } from "node:crypto";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { messageOf } from "../../../lib/core/errors.ts";
import { createSealingKey, open, type SealedBox, type SealingKey, seal } from "../../../lib/core/sealed-box.ts";
import { call } from "../../../lib/nats/rpc/client.ts";
import type { ReserveRequest } from "../../../lib/protocol/build-messages.ts";
import { status } from "../../../lib/protocol/requests.ts";
import { type BuildSecrets, forBuilder, forQueue } from "../../../lib/protocol/secret-messages.ts";
import { filesWith } from "../../support/planted-secret.ts";
import type { LabAgent } from "../../support/queue/lab-agent.ts";
import { QueueLab } from "../../support/queue/queue-lab.ts";
import { LIMITS } from "../../support/queue/queue-process.ts";
import { rejection } from "../../support/rejection.ts";

const test = suite<{ lab: QueueLab }>("secrets of a build");

test.before(async (world) => {
  world.lab = await QueueLab.start();
});
test.before.each(({ lab }) => lab.fullReserve());
test.after.each(({ lab }) => lab.tidy());
test.after(({ lab }) => lab?.stop());

/** Each user has another one. */
const secretOf = (user: string): string => `the planted secret of ${user}`;
const secretsOf = (user: string): BuildSecrets => ({
  v: 1,
  secrets: [{ id: "token", value: Buffer.from(secretOf(user)).toString("base64") }],
  logins: [],
});

const sealed = (user: string, request: string, key: string): SealedBox =>
  seal(Buffer.from(JSON.stringify(secretsOf(user))), key, forQueue(user, request));

/** A build of the user with these secrets. */
async function reserve(
  lab: QueueLab,
  user: string,
  { box, ...over }: Partial<ReserveRequest> & { box?: (request: string) => SealedBox } = {},
): Promise<string> {
  const request = randomUUID();
  const secrets = box?.(request) ?? sealed(user, request, lab.sealingKey.publicKey);
  return lab.reserve(user, { request, secrets, ...over });
}

/** A build waits until its files have come. */
const AWAITS_FILES = {
  context: { directory: "/", highestId: 0, archive: { kind: "object", maxBytes: 1000 } },
} as const;

/** The content of the box in the agent's lease, for the agent's own key and build unless told otherwise. */
function opened(
  { lease, builder, sealingKey }: LabAgent,
  over: { key?: typeof sealingKey; builder?: string } = {},
): string {
  if (lease?.secrets === undefined) throw new Error("the lease has no secrets");
  const use = forBuilder({ build: lease.build, attempt: lease.attempt, builder: over.builder ?? builder });
  return open(lease.secrets, over.key ?? sealingKey, use).toString();
}

/** The stored recipe of the build; a mark when it is deleted. */
const stored = async (lab: QueueLab, build: string): Promise<string> =>
  (await lab.valueOf("cb-recipes", `recipe.${build}`)) ?? DELETED;
const DELETED = "(deleted)";

test("the agent of the lease opens the secrets; another agent does not, with or without a lease", async ({ lab }) => {
  const agent = await lab.leased(await reserve(lab, "ada"), 1);
  const other = await lab.leased(await reserve(lab, "bob"), 1);
  const without = await lab.leased(await lab.reserve("ada"), 1);
  assert.equal(JSON.parse(opened(agent)), secretsOf("ada"));
  assert.equal(JSON.parse(opened(other)), secretsOf("bob"));
  assert.is(without.lease?.secrets, undefined);
  assert.throws(() => opened(agent, { key: other.sealingKey }), /sealed to the key/);
  assert.throws(() => opened(agent, { builder: other.builder }), /belong to another build/);
  assert.throws(() => opened(agent, { key: lab.sealingKey }), /sealed to the key/);
  // One key for several leases would make one lease's box another's.
  for (const over of [{ build: randomUUID() }, { attempt: 2 }])
    assert.throws(
      () => opened({ ...agent, lease: { ...agent.lease, ...over } } as LabAgent),
      /belong to another build/,
    );
});

test("the record has the secrets sealed, no file of NATS has them, and the record is deleted at the end", async ({
  lab,
}) => {
  const build = await reserve(lab, "ada");
  const agent = await lab.leased(build, 1);
  assert.match(await stored(lab, build), '"secrets"');
  // NATS writes to its files a moment after it has replied.
  await lab.until("the record on the disk", () => filesWith(lab.nats.dataFolder, `recipe.${build}`).length > 0);
  assert.equal(filesWith(lab.nats.dataFolder, secretOf("ada")), []);
  await agent.end({ kind: "failed", exitCode: 1, reason: "as it was meant" });
  await lab.until("the end", () => lab.record(build)?.announced);
  assert.is(await stored(lab, build), DELETED);
});

test("the secrets of a build that is cancelled while it waits are deleted", async ({ lab }) => {
  const build = await reserve(lab, "ada", AWAITS_FILES);
  assert.match(await stored(lab, build), '"secrets"');
  await lab.cancel(build);
  await lab.until("the end", () => lab.record(build)?.announced);
  assert.is(await stored(lab, build), DELETED);
});

test("a second attempt gets the secrets once more, sealed to its own agent", async ({ lab }) => {
  const build = await reserve(lab, "ada");
  const first = await lab.leased(build, 1);
  await first.end({ kind: "broken", reason: "as it was meant" });
  const second = await lab.leased(build, 2);
  assert.equal(JSON.parse(opened(second)), secretsOf("ada"));
  assert.is.not(second.builder, first.builder);
  assert.is.not(second.lease?.secrets?.text, first.lease?.secrets?.text);
});

test("a box of another user or another request does not open: the build ends, and its agent gets no lease", async ({
  lab,
}) => {
  for (const box of [
    (request: string) => sealed("bob", request, lab.sealingKey.publicKey),
    () => sealed("ada", randomUUID(), lab.sealingKey.publicKey),
  ]) {
    const build = await reserve(lab, "ada", { box });
    await lab.until("the end", () => lab.record(build)?.announced);
    const { final } = lab.record(build) ?? {};
    assert.is(final?.state, "lost");
    assert.match(final?.state === "lost" ? final.reason : "", /belong to another build.*start the build again/);
    assert.is(lab.agentOf(build, 1), undefined);
  }
});

test("a box for another key is refused before anything is stored", async ({ lab }) => {
  const before = lab.queue.builds.all().length;
  const error = await rejection(
    reserve(lab, "ada", { box: (request) => sealed("ada", request, createSealingKey().publicKey) }),
  );
  assert.match(messageOf(error), /sealed to the key \w{16}; this queue has \w{16}/);
  assert.is(lab.queue.builds.all().length, before);
});

test("an agent without a key gets no secrets: the build ends", async ({ lab }) => {
  for (const agent of lab.agents.values()) agent.hasSealingKey = false;
  const agents = () => [...lab.agents.values()].filter(({ builder }) => lab.cloud.machines.has(builder));
  await lab.until("no request with a key", () => agents().every(({ unansweredWithKey }) => unansweredWithKey === 0));
  const build = await reserve(lab, "ada");
  await lab.until("the end", () => lab.record(build)?.announced);
  assert.match(JSON.stringify(lab.record(build)?.final), /too old for secrets/);
});

test("the status has the queue's public key", async ({ lab }) => {
  const { connection: nc } = await lab.nats.user("carol");
  const reply = await call(status, { nc, principal: "carol", request: { v: 1 }, timeoutMs: 10_000 });
  assert.is(reply.sealingKey, lab.sealingKey.publicKey);
});

test("the secrets of a reservation that a killed queue did not complete are deleted at the next start", async ({
  lab,
}) => {
  const build = await reserve(lab, "ada", AWAITS_FILES);
  const box = await stored(lab, build);
  const unfinished = randomUUID();
  const core = await lab.nats.core();
  await lab.queue.stop();
  await (await core.jetstream().views.kv("cb-recipes")).put(`recipe.${unfinished}`, box);
  await lab.startQueue();
  assert.is(await stored(lab, unfinished), DELETED);
  assert.is(await stored(lab, build), box);
});

/** A build with secrets that waits while the queue is started again with these keys, and gets a builder then. */
async function waitsOverRestart(lab: QueueLab, keys: SealingKey[]): Promise<string> {
  const agents: LabAgent[] = [];
  while (agents.length < LIMITS.leasedPerUser) agents.push(await lab.leased(await lab.reserve("ada"), 1));
  const build = await reserve(lab, "ada");
  await lab.queue.stop();
  assert.is(lab.record(build)?.state, "waiting");
  lab.sealingKeys = keys;
  await lab.startQueue();
  for (const agent of agents) await agent.end({ kind: "failed", exitCode: 1, reason: "as it was meant" });
  return build;
}

test("the secrets of a waiting build outlive the renewal of the key", async ({ lab }) => {
  const build = await waitsOverRestart(lab, [createSealingKey(), ...lab.sealingKeys]);
  assert.equal(JSON.parse(opened(await lab.leased(build, 1))), secretsOf("ada"));
  const later = await lab.leased(await reserve(lab, "bob"), 1);
  assert.equal(JSON.parse(opened(later)), secretsOf("bob"));
});

test("a build that waits with secrets for a key that the queue no longer has ends, and no agent gets it", async ({
  lab,
}) => {
  const build = await waitsOverRestart(lab, [createSealingKey()]);
  await lab.until("the end", () => lab.record(build)?.announced);
  assert.match(JSON.stringify(lab.record(build)?.final), /no longer has the key.*start the build again/);
  assert.is(lab.agentOf(build, 1), undefined);
});

test.run();
