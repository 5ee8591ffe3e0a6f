/** resolveDigest() with real docker-registries: what a tag names, also after it was moved, and why it cannot be looked up. */
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { type CbError, messageOf } from "../../../lib/core/errors.ts";
import { openConnections } from "../../../lib/core/http-json.ts";
import type { Registry } from "../../../lib/oci/address.ts";
import { resolveDigest } from "../../../lib/oci/resolve-digest.ts";
import { push, pushVariants } from "../../support/oci/docker-registry.ts";
import { digestOf, indexOf, manifestOf } from "../../support/oci/oci-image.ts";
import { DOWN, LOGIN, type Registries, SUMMIT, startRegistries } from "../../support/oci/registries.ts";

const test = suite<Registries>("resolveDigest()");

test.before(async (context) => {
  Object.assign(context, await startRegistries());
});
test.after(async ({ stop }) => {
  await stop?.();
});

const [TAG = ""] = SUMMIT.tags;
const EMPTY = digestOf(manifestOf([]));

interface Wanted {
  readonly host: string;
  readonly login?: Registry["login"];
  readonly repository?: string;
  readonly tag?: string;
}

async function resolve({ host, login, repository = SUMMIT.repository, tag = TAG }: Wanted): Promise<string> {
  const connections = openConnections({ silenceMs: 3_000 });
  const registry = { host, plainHttp: true, ...(login === undefined ? {} : { login }) };
  try {
    return await resolveDigest({ registry, repository, tag, connections, signal: AbortSignal.timeout(20_000) });
  } finally {
    await connections.destroy();
  }
}

const kindOf = (wanted: Wanted): Promise<string> =>
  resolve(wanted).catch((error: CbError) => `${error.kind}: ${messageOf(error)}`);

test("the digest is that of the manifest: open, with basic authentication, and with a token server", async (context) => {
  const { open, basic, bearer, tokens } = context;
  assert.is(await resolve({ host: open.host }), EMPTY);
  assert.is(await resolve({ host: basic.host, login: LOGIN }), EMPTY);
  assert.is(await resolve({ host: bearer.host, login: LOGIN }), EMPTY);
  assert.equal(tokens.scopes, [`repository:${SUMMIT.repository}:pull`]);
});

test("a moved tag has the digest of its new image, and a tag of a list of images that of the list", async ({
  open,
}) => {
  const { host } = open;
  const [repository, tag] = ["site/moving", "latest"];
  const layers = [Buffer.from("a layer")];
  await push(host, { repository, tags: [tag] });
  assert.is(await resolve({ host, repository, tag }), EMPTY);
  await push(host, { repository, tags: [tag], layers });
  assert.is(await resolve({ host, repository, tag }), digestOf(manifestOf(layers)));
  await pushVariants(host, repository, tag, [{ layers }]);
  assert.is(await resolve({ host, repository, tag }), digestOf(indexOf([{ layers }])));
});

test("each failed lookup says why", async ({ open, basic, bearer, tokens }) => {
  const { host } = open;
  const wrong = { ...LOGIN, password: "wrong" };
  assert.is(await kindOf({ host, tag: "none" }), "usage: it has no such image");
  assert.is(await kindOf({ host, repository: "site/none" }), "usage: it has no such image");
  assert.match(await kindOf({ host: basic.host, login: wrong }), /^denied: /);
  assert.match(await kindOf({ host: basic.host }), /^denied: /);
  assert.match(await kindOf({ host: bearer.host, login: wrong }), /^denied: /);
  tokens.withheld.add(SUMMIT.repository);
  assert.is(await kindOf({ host: bearer.host, login: LOGIN }), "denied: it refuses the image (401)");
  assert.match(await kindOf({ host: DOWN }), /^unreachable: no reply from 127\.0\.0\.1:1: .*ECONNREFUSED/);
});

test("a registry that replies without a digest, or with another text, is not believed", async () => {
  let digest: string | undefined;
  const server = createServer((_, response) => {
    response.writeHead(200, digest === undefined ? {} : { "docker-content-digest": digest }).end();
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  try {
    for (digest of [
      undefined,
      "",
      "sha256:12",
      `${EMPTY}, ${EMPTY}`,
      `sha512:${"0".repeat(128)}`,
      `${EMPTY.toUpperCase()}`,
    ])
      assert.is(await kindOf({ host }), "infrastructure: it replies with status 200 and no digest", digest);
  } finally {
    server.close();
  }
});

test.run();
