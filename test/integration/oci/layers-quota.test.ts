/** The bounds of the registry of layers, with a real docker-registry: of each user and of all. */
import { randomBytes } from "node:crypto";
import { lstatSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { limitLayers } from "../../../lib/oci/layers/layer-store.ts";
import {
  buildOf,
  call,
  type Layers,
  type LayersBuild,
  pushBlob,
  pushImage,
  startLayers,
} from "../../support/oci/layers.ts";
import { digestOf } from "../../support/oci/oci-image.ts";
import { Stack } from "../../support/stack.ts";

interface World {
  stack: Stack;
  layers: Layers;
}

const test = suite<World>("layers-quota");

const MIB = 1024 * 1024;
const QUOTA_GIB = 0.01;
const QUOTA_BYTES = QUOTA_GIB * 1024 * MIB;
const NONE: ReadonlySet<string> = new Set();
/** Longer than an unfinished upload stays. */
const LATER_MS = 11 * 60_000;

test.before(async (context) => {
  context.stack = Stack.unstarted();
  context.layers = await startLayers(context.stack, { userGiB: QUOTA_GIB });
});
test.after(async ({ stack, layers }) => {
  await layers?.stop();
  await stack?.stop();
});

const storeOf = ({ folder }: Layers): string => join(folder, "layers");
const userOf = ({ repository }: LayersBuild): string => repository.split("/")[1] ?? "";
const tag = (letter: string): string => letter.repeat(64);

/** The bytes of all files with a path that matches. */
function bytesOf(layers: Layers, pattern: RegExp): number {
  const paths = readdirSync(storeOf(layers), { recursive: true, encoding: "utf8" }).filter((path) =>
    pattern.test(path),
  );
  return paths.reduce((sum, path) => sum + lstatSync(join(storeOf(layers), path)).size, 0);
}

async function manifestStatus({ host }: Layers, { token, repository }: LayersBuild, letter: string): Promise<number> {
  return (await call(host, { path: `/v2/${repository}/manifests/${tag(letter)}`, token })).status;
}

test("an upload that does not fit into the quota is refused while it flows, and hinders no other user", async ({
  layers,
}) => {
  const mallory = buildOf(layers.key, "mallory");
  const refused = await pushBlob(layers.host, mallory, randomBytes(2 * QUOTA_BYTES));
  assert.is(refused.status, 403);
  assert.match(refused.body.toString(), /"DENIED".*the quota of this user's layers is full/);
  assert.ok(bytesOf(layers, /\/_uploads\/.*\/data$/) <= QUOTA_BYTES);
  const next = await call(layers.host, {
    ...mallory,
    path: `/v2/${mallory.repository}/blobs/uploads/`,
    method: "POST",
  });
  assert.is(next.status, 403);
  const bob = await pushImage(layers.host, buildOf(layers.key, "bob"), tag("b"), randomBytes(MIB));
  assert.is(bob.status, 201, bob.body.toString());
});

test("limitLayers() removes the oldest layers of a user above the quota, those of no other user, and they can be pushed again", async ({
  layers,
}) => {
  const alice = buildOf(layers.key, "alice");
  const images = new Map(["1", "2", "3", "4"].map((letter) => [letter, randomBytes(MIB)]));
  for (const [letter, layer] of images)
    assert.is((await pushImage(layers.host, alice, tag(letter), layer)).status, 201);
  const limit = (userMaxBytes: number, refused = NONE) =>
    limitLayers(storeOf(layers), { maxBytes: 1024 * MIB, userMaxBytes }, { refused, nowMs: Date.now() });
  const before = (await limit(100 * MIB)).get(userOf(alice)) ?? 0;
  assert.ok(before > 4 * MIB, String(before));
  // A tenth below the quota files go, until a tenth of the rest is free.
  const after = (await limit(5 * MIB)).get(userOf(alice)) ?? 0;
  assert.ok(after <= 4.5 * MIB && after > 2 * MIB, String(after));
  assert.is(await manifestStatus(layers, alice, "1"), 404);
  assert.is(await manifestStatus(layers, alice, "4"), 200);
  assert.is(await manifestStatus(layers, buildOf(layers.key, "bob"), "b"), 200);
  // A user who was refused gets half of it free.
  const refused = (await limit(5 * MIB, new Set([userOf(alice)]))).get(userOf(alice)) ?? 0;
  assert.ok(refused <= 2.5 * MIB, String(refused));
  const again = await pushImage(layers.host, alice, tag("1"), images.get("1") ?? Buffer.alloc(0));
  assert.is(again.status, 201, again.body.toString());
  assert.is(await manifestStatus(layers, alice, "1"), 200);
});

test("limitLayers() removes blobs without a link and unfinished uploads when they are old, and no linked blob", async ({
  layers,
}) => {
  const alice = buildOf(layers.key, "alice");
  const layer = randomBytes(MIB);
  assert.is((await pushImage(layers.host, alice, tag("5"), layer)).status, 201);
  const started = await call(layers.host, { ...alice, path: `/v2/${alice.repository}/blobs/uploads/`, method: "POST" });
  const sent = { token: alice.token, path: started.headers.location ?? "", method: "PATCH", body: randomBytes(MIB) };
  assert.is((await call(layers.host, sent)).status, 202);
  const limits = { maxBytes: 1024 * MIB, userMaxBytes: 100 * MIB };
  const unlinked = bytesOf(layers, /\/blobs\/.*\/data$/);
  await limitLayers(storeOf(layers), limits, { refused: NONE, nowMs: Date.now() });
  assert.ok(bytesOf(layers, /\/_uploads\/.*\/data$/) >= MIB);
  assert.is(bytesOf(layers, /\/blobs\/.*\/data$/), unlinked);
  await limitLayers(storeOf(layers), limits, { refused: NONE, nowMs: Date.now() + LATER_MS });
  assert.is(bytesOf(layers, /\/_uploads\//), 0);
  assert.ok(bytesOf(layers, /\/blobs\/.*\/data$/) < unlinked);
  const { token, repository } = alice;
  const { body } = await call(layers.host, { path: `/v2/${repository}/blobs/${digestOf(layer)}`, token });
  assert.ok(body.equals(layer));
});

test("limitLayers() bounds all users together", async ({ layers }) => {
  await limitLayers(storeOf(layers), { maxBytes: MIB, userMaxBytes: MIB * 1024 }, { refused: NONE, nowMs: Date.now() });
  assert.ok(bytesOf(layers, /\/docker\/registry\/v2\//) <= MIB);
});

test.run();
