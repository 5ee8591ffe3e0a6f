/** cb-registry with a real docker-registry as the registry that it copies. */
// slow: registries are started, and started again after a pause
// timeout: 120 s
import { mkdtempSync, readdirSync, readFileSync } from "node:fs";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { limitStore } from "../../../lib/oci/docker-registry/store-limit.ts";
import { isReplying } from "../../../lib/oci/is-replying.ts";
import { type Copy, replying, startCopy } from "../../support/oci/copies.ts";
import { push, type RunningRegistry, startRegistry } from "../../support/oci/docker-registry.ts";
import { digestOf, MANIFEST_TYPE, manifestOf } from "../../support/oci/oci-image.ts";
import { Stack } from "../../support/stack.ts";
import { until } from "../../support/until.ts";

interface World {
  stack: Stack;
  upstream: RunningRegistry;
  copy: Copy;
}

const test = suite<World>("cb-registry");

const REPOSITORY = "site/base";
/** A layer of 1 MiB. */
const LAYERS = [Buffer.alloc(1024 * 1024, "layer")];
const LAYER = digestOf(LAYERS[0] ?? "");

test.before(async (context) => {
  context.stack = Stack.unstarted();
  const folder = mkdtempSync(context.stack.path("upstream-"));
  const { host, stop } = await startRegistry({ folder });
  await push(host, { repository: REPOSITORY, tags: ["1"], layers: LAYERS });
  await stop();
  const port = Number(host.split(":")[1]);
  context.copy = await startCopy(context.stack, "copies", host);
  await context.copy.service.seen(/panic.*docker-registry has ended/);
  context.upstream = await startRegistry({ folder, port });
});
test.after(async ({ stack, upstream, copy }) => {
  await copy?.stop();
  await upstream?.stop();
  await stack?.stop();
});

const get = (host: string, path: string): Promise<Response> =>
  fetch(`http://${host}/v2/${REPOSITORY}/${path}`, { headers: { accept: MANIFEST_TYPE } });

async function assertPulls({ host }: Copy, reference: string): Promise<void> {
  const manifest = await get(host, `manifests/${reference}`);
  assert.is(manifest.status, 200);
  assert.is(await manifest.text(), manifestOf(LAYERS));
  const layer = await get(host, `blobs/${LAYER}`);
  assert.is(layer.status, 200);
  assert.is(digestOf(Buffer.from(await layer.arrayBuffer())), LAYER);
}

/** A copy is written beside the reply, and may be complete a moment later. */
const isStored = ({ folder }: Copy): boolean =>
  readdirSync(folder, { recursive: true, encoding: "utf8" }).some(
    (path) => path.includes("/blobs/") && path.includes(LAYER.slice(7)) && path.endsWith("/data"),
  );

test("cb-registry starts docker-registry again after its panic, when the registry is back", async ({ copy }) => {
  await replying(copy);
  await assertPulls(copy, "1");
  await assertPulls(copy, digestOf(manifestOf(LAYERS)));
});

test("nothing can be pushed to a copy or deleted from it", async ({ copy }) => {
  const at = (path: string, init: RequestInit) =>
    fetch(`http://${copy.host}/v2/${REPOSITORY}/${path}`, init).then(({ status }) => status);
  const headers = { "content-type": MANIFEST_TYPE };
  const body = manifestOf([]);
  assert.is(await at("blobs/uploads/", { method: "POST" }), 405);
  assert.is(await at("manifests/1", { method: "PUT", body, headers }), 405);
  assert.is(await at(`manifests/${digestOf(manifestOf(LAYERS))}`, { method: "DELETE" }), 405);
  assert.is(await at(`blobs/${LAYER}`, { method: "DELETE" }), 405);
  await assertPulls(copy, "1");
});

test("a running copy fetches again what the bound of its store has removed", async ({ copy }) => {
  await until("the layer is stored", () => isStored(copy));
  assert.equal(await limitStore([copy.folder], 1024 ** 3), { files: 0, bytes: 0 });
  const { bytes } = await limitStore([copy.folder], 0);
  assert.ok(bytes > 1024 * 1024, String(bytes));
  assert.not.ok(isStored(copy));
  await assertPulls(copy, "1");
  await until("the layer is stored", () => isStored(copy));
});

test("a copy gives what it has while its registry is away", async ({ copy, upstream }) => {
  await upstream.stop();
  await assertPulls(copy, "1");
  await assertPulls(copy, digestOf(manifestOf(LAYERS)));
});

test("docker-registry ends with cb-registry, also when that is killed", async ({ copy }) => {
  const { pid } = copy.service;
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim();
  assert.match(children, /^\d+$/);
  copy.service.kill("SIGKILL");
  await copy.service.finished;
  await until("the copy is gone", async () => !(await isReplying({ host: copy.host, plainHttp: true }, 1_000)));
});

test.run();
