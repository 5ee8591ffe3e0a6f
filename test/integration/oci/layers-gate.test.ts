/** The gate of the registry of layers, before a real docker-registry: attacks of a build on the layers of other users. */
import { randomBytes } from "node:crypto";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { createKey } from "../../../lib/nats/credentials/nkey.ts";
import {
  buildOf,
  call,
  type Layers,
  type LayersCall,
  pushBlob,
  pushImage,
  startLayers,
} from "../../support/oci/layers.ts";
import { digestOf, MANIFEST_TYPE, manifestOf } from "../../support/oci/oci-image.ts";
import { Stack } from "../../support/stack.ts";

interface World {
  stack: Stack;
  layers: Layers;
}

const test = suite<World>("layers-gate");

const TAG = "a".repeat(64);
/** The layer of alice. */
const LAYER = randomBytes(256 * 1024);

test.before(async (context) => {
  context.stack = Stack.unstarted();
  context.layers = await startLayers(context.stack);
  const pushed = await pushImage(context.layers.host, buildOf(context.layers.key, "alice"), TAG, LAYER);
  assert.is(pushed.status, 201, pushed.body.toString());
});
test.after(async ({ stack, layers }) => {
  await layers?.stop();
  await stack?.stop();
});

const statusOf = async ({ host }: Layers, options: LayersCall): Promise<number> => (await call(host, options)).status;

test("a later build of a user gets what an earlier one has pushed", async ({ layers }) => {
  const { token, repository } = buildOf(layers.key, "alice");
  const manifest = await call(layers.host, { path: `/v2/${repository}/manifests/${TAG}`, token });
  assert.is(manifest.body.toString(), manifestOf([LAYER]));
  const layer = await call(layers.host, { path: `/v2/${repository}/blobs/${digestOf(LAYER)}`, token });
  assert.ok(layer.body.equals(LAYER));
  assert.is(await statusOf(layers, { path: "/v2/", token }), 200);
});

test("a request without a token, with an expired, forged or changed one is refused", async ({ layers }) => {
  const good = buildOf(layers.key, "alice");
  const path = `/v2/${good.repository}/manifests/${TAG}`;
  const tokenOf = (change: object) => buildOf(layers.key, "alice", change).token;
  const bob = buildOf(layers.key, "bob").token;
  assert.is(await statusOf(layers, { path, token: good.token }), 200);
  const bad = {
    none: undefined,
    empty: "",
    expired: tokenOf({ expiresAtMs: Date.now() - 1 }),
    "of another key": buildOf(createKey("account"), "alice").token,
    "the signature of another token": `${good.token.split(".")[0]}.${bob.split(".")[1]}`,
    "no signature": `${good.token.split(".")[0]}.`,
    "another field": tokenOf({ repository: "layers" }),
  };
  for (const [name, token] of Object.entries(bad)) {
    for (const asked of [path, "/v2/"]) {
      const reply = await call(layers.host, { path: asked, ...(token === undefined ? {} : { token }) });
      assert.is(reply.status, 401, name);
      assert.match(String(reply.headers["www-authenticate"]), /^Basic /);
    }
  }
});

test("a build reads and writes nothing of another user", async ({ layers }) => {
  const alice = buildOf(layers.key, "alice").repository;
  const { token, repository } = buildOf(layers.key, "bob");
  const headers = { "content-type": MANIFEST_TYPE };
  const digest = digestOf(manifestOf([LAYER]));
  const body = manifestOf([LAYER]);
  const refused: LayersCall[] = [
    { path: `/v2/${alice}/manifests/${TAG}` },
    { path: `/v2/${alice}/manifests/${TAG}`, method: "HEAD" },
    { path: `/v2/${alice}/manifests/${digest}` },
    { path: `/v2/${alice}/manifests/${TAG}`, method: "PUT", body, headers },
    { path: `/v2/${alice}/blobs/${digestOf(LAYER)}` },
    { path: `/v2/${alice}/blobs/${digestOf(LAYER)}`, method: "HEAD" },
    { path: `/v2/${alice}/blobs/uploads/`, method: "POST" },
    { path: `/v2/${repository}/blobs/uploads/?mount=${digestOf(LAYER)}&from=${alice}`, method: "POST" },
    { path: `/v2/${repository}/blobs/uploads/?from=${alice}&mount=${digestOf(LAYER)}`, method: "POST" },
    { path: `/v2/${repository}/blobs/uploads?mount=${digestOf(LAYER)}&from=${alice}`, method: "POST" },
  ];
  for (const one of refused) assert.is(await statusOf(layers, { ...one, token }), 403, `${one.method} ${one.path}`);
  // Its own repository does not have them.
  for (const path of [`manifests/${TAG}`, `manifests/${digest}`, `blobs/${digestOf(LAYER)}`])
    assert.is(await statusOf(layers, { path: `/v2/${repository}/${path}`, token }), 404, path);
  // A manifest of its own names them, and docker-registry does not find them.
  const named = await call(layers.host, {
    path: `/v2/${repository}/manifests/${TAG}`,
    method: "PUT",
    token,
    body,
    headers,
  });
  assert.is(named.status, 400, named.body.toString());
});

test("another architecture has layers of its own", async ({ layers }) => {
  const { token, repository } = buildOf(layers.key, "alice", { arch: "aarch64" });
  assert.is(await statusOf(layers, { path: `/v2/${repository}/manifests/${TAG}`, token }), 404);
  const other = buildOf(layers.key, "alice").repository;
  assert.is(await statusOf(layers, { path: `/v2/${other}/manifests/${TAG}`, token }), 403);
});

test("an upload of another user is not written on, nor with its signed state", async ({ layers }) => {
  const alice = buildOf(layers.key, "alice");
  const bob = buildOf(layers.key, "bob");
  const started = await call(layers.host, { ...alice, path: `/v2/${alice.repository}/blobs/uploads/`, method: "POST" });
  const path = started.headers.location ?? "";
  assert.match(path, "_state=");
  const write = { token: bob.token, method: "PATCH", body: "of bob" };
  assert.is(await statusOf(layers, { ...write, path }), 403);
  const moved = await statusOf(layers, { ...write, path: path.replace(alice.repository, bob.repository) });
  assert.ok([400, 404].includes(moved), String(moved));
  assert.is(await statusOf(layers, { ...write, token: alice.token, path }), 202);
});

test("lists, deletions and all paths that name something twice are refused", async ({ layers }) => {
  const { token, repository } = buildOf(layers.key, "bob");
  const alice = buildOf(layers.key, "alice").repository;
  const own = `/v2/${repository}`;
  const ups = "../".repeat(repository.split("/").length);
  const paths = [
    "/",
    "/v2",
    "//v2/",
    "/v2/?n=1",
    "/v2/_catalog",
    "/v2/_catalog?n=1000",
    "/debug/vars",
    "/metrics",
    `${own}/tags/list`,
    `/v2/${alice}/tags/list`,
    `${own}/${ups}${alice}/manifests/${TAG}`,
    `${own}/manifests/../${ups}${alice}/manifests/${TAG}`,
    `${own}/manifests/%2e%2e/${ups}${alice}/manifests/${TAG}`,
    `${own}/%2e%2e/%2e%2e/%2e%2e/${alice}/manifests/${TAG}`,
    `${own}%2f..%2f..%2f..%2f${alice}/manifests/${TAG}`,
    `${own}/%252e%252e/${alice}/manifests/${TAG}`,
    `${own}/..%2f${alice}/manifests/${TAG}`,
    `${own}//manifests/${TAG}`,
    `${own}/./manifests/${TAG}`,
    `/v2//${repository}/manifests/${TAG}`,
    `/v2/./${repository}/manifests/${TAG}`,
    `/V2/${repository}/manifests/${TAG}`,
    `/v2/${repository.toUpperCase()}/manifests/${TAG}`,
    `${own}x/manifests/${TAG}`,
    `${own}/more/manifests/${TAG}`,
    `${own}/manifests/latest`,
    `${own}/manifests/${TAG}/`,
    `${own}/manifests/${TAG}?n=1`,
    `${own}/manifests/${TAG}#x`,
    `${own}/manifests/${TAG}%00`,
    `${own}/manifests/${"A".repeat(64)}`,
    `${own}/blobs/sha512:${"a".repeat(128)}`,
    `http://${layers.host}/v2/${alice}/manifests/${TAG}`,
  ];
  for (const path of paths) assert.is(await statusOf(layers, { path, token }), 403, path);
  const deletions = [
    `${own}/manifests/${TAG}`,
    `${own}/blobs/${digestOf(LAYER)}`,
    `/v2/${alice}/blobs/${digestOf(LAYER)}`,
  ];
  for (const path of deletions) assert.is(await statusOf(layers, { path, method: "DELETE", token }), 403, path);
  for (const method of ["OPTIONS", "TRACE", "PROPFIND", "POST"])
    assert.is(await statusOf(layers, { path: `${own}/manifests/${TAG}`, method, token }), 403, method);
});

test("docker-registry learns neither the token nor an address that the client names", async ({ layers }) => {
  const { token, repository } = buildOf(layers.key, "bob");
  const headers = { "x-forwarded-host": "evil.example.org", "x-forwarded-proto": "https", host: "evil.example.org" };
  const path = `/v2/${repository}/blobs/uploads/`;
  const { status, headers: reply } = await call(layers.host, { path, method: "POST", token, headers });
  assert.is(status, 202);
  assert.match(String(reply.location), new RegExp(`^/v2/${repository}/blobs/uploads/[0-9a-f-]{36}\\?_state=`));
});

test("the same layer of two users is stored for each, and each needs its bytes", async ({ layers }) => {
  const bob = buildOf(layers.key, "bob");
  const pushed = await pushBlob(layers.host, bob, LAYER);
  assert.is(pushed.status, 201, pushed.body.toString());
  assert.is(await statusOf(layers, { path: `/v2/${bob.repository}/blobs/${digestOf(LAYER)}`, token: bob.token }), 200);
});

test.run();
