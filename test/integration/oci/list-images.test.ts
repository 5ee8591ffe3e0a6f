/** listImages() with real docker-registries: without authentication, with basic authentication, with a token server, and one that is down. */
// slow: registries are started, filled and stopped.
import { once } from "node:events";
import { mkdtempSync } from "node:fs";
import { createServer } from "node:http";
import { type AddressInfo, connect } from "node:net";
import { join } from "node:path";
import pino from "pino";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { CbError } from "../../../lib/core/errors.ts";
import type { Registry } from "../../../lib/oci/address.ts";
import { type ImageListing, listImages } from "../../../lib/oci/list-images.ts";
import { Images } from "../../../lib/queue/api/images.ts";
import { ManualClock } from "../../support/manual-clock.ts";
import { push, startRegistry, untag } from "../../support/oci/docker-registry.ts";
import { DOWN, LOGIN, type Registries, SUMMIT, startRegistries, TITAN } from "../../support/oci/registries.ts";

const test = suite<Registries>("list images of registries");

test.before(async (context) => {
  Object.assign(context, await startRegistries());
});
test.after(async ({ stop }) => {
  await stop?.();
});

const plain = (host: string, login?: Registry["login"]): Registry => ({
  host,
  plainHttp: true,
  ...(login === undefined ? {} : { login }),
});
const list = (registry: Registry): Promise<ImageListing> => listImages(registry, new AbortController().signal);

async function failureOf(registry: Registry): Promise<CbError> {
  const error = await list(registry).then(String, (thrown: unknown) => thrown);
  assert.instance(error, CbError);
  assert.match((error as CbError).message, `registry ${registry.host}: `);
  return error as CbError;
}

const BOTH = { images: [SUMMIT, TITAN], truncated: false, refused: 0 };

test("listImages() lists an open registry, one with basic authentication and one with a token server", async ({
  open,
  basic,
  bearer,
  tokens,
}) => {
  assert.equal(await list(plain(open.host)), BOTH);
  assert.equal(await list(plain(basic.host, LOGIN)), BOTH);
  assert.equal(await list(plain(bearer.host, LOGIN)), BOTH);
  const scopes = ["registry:catalog:*", "repository:olcf/summit:pull", "repository:olcf/titan:pull"];
  assert.equal([...tokens.scopes].sort(), scopes);
});

test('listImages() throws "denied" without a login and with a wrong one, at the registry and at the token server', async ({
  basic,
  bearer,
}) => {
  const wrong = { ...LOGIN, password: "a-wrong-password" };
  for (const { host } of [basic, bearer]) {
    for (const login of [undefined, wrong]) {
      const error = await failureOf(plain(host, login));
      assert.is(error.kind, "denied", error.message);
      assert.not.match(error.message, wrong.password);
    }
  }
});

test("listImages() lists the other repositories when the token server refuses one", async ({ bearer, tokens }) => {
  tokens.withheld.add(TITAN.repository);
  try {
    assert.equal(await list(plain(bearer.host, LOGIN)), { images: [SUMMIT], truncated: false, refused: 1 });
  } finally {
    tokens.withheld.clear();
  }
});

test("listImages() names a registry that is down, and one without the required TLS", async ({ open }) => {
  const down = await failureOf(plain(DOWN));
  assert.is(down.kind, "unreachable");
  assert.match(down.message, "ECONNREFUSED");
  assert.is((await failureOf({ host: open.host, plainHttp: false })).kind, "unreachable");
});

test("listImages() uses the proxy of the environment, except for the hosts of NO_PROXY", async ({ open }) => {
  const tunnels: string[] = [];
  const proxy = createServer().on("connect", (request, client) => {
    tunnels.push(request.url ?? "");
    const target = connect(Number(open.host.split(":")[1]), "127.0.0.1", () => {
      client.write("HTTP/1.1 200 Connection established\r\n\r\n");
      target.pipe(client).pipe(target);
    });
    target.on("error", () => client.destroy());
    client.on("error", () => target.destroy());
  });
  proxy.listen(0, "127.0.0.1");
  await once(proxy, "listening");
  try {
    process.env.http_proxy = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`;
    // Only the proxy resolves this host.
    assert.equal(await list(plain("registry.invalid:5000")), BOTH);
    assert.is(new Set(tunnels).size, 1);
    assert.is(tunnels[0], "registry.invalid:5000");
    process.env.no_proxy = "registry.invalid";
    assert.is((await failureOf(plain("registry.invalid:5000"))).kind, "unreachable");
  } finally {
    delete process.env.http_proxy;
    delete process.env.no_proxy;
    proxy.close();
    proxy.closeAllConnections();
  }
});

test("listImages() reads all pages of a catalog, and omits repositories without a tag", async ({ folder }) => {
  const many = await startRegistry({ folder: mkdtempSync(join(folder, "many-")) });
  try {
    const names = Array.from({ length: 205 }, (_, n) => `many/r${String(n).padStart(3, "0")}`);
    for (let n = 0; n < names.length; n += 8) {
      await Promise.all(names.slice(n, n + 8).map((name) => push(many.host, { repository: name, tags: ["1", "2"] })));
    }
    await untag(many.host, "many/r100");
    const { images, truncated } = await list(plain(many.host));
    assert.equal(
      images.map(({ repository }) => repository),
      names.filter((name) => name !== "many/r100"),
    );
    assert.is(truncated, false);
  } finally {
    await many.stop();
  }
});

test("Images.list() sends one fetch for concurrent callers, and for callers within 30 s after it", async ({
  bearer,
  tokens,
}) => {
  const clock = new ManualClock();
  const log = pino({ enabled: false });
  const images = new Images({ registries: [plain(bearer.host, LOGIN)], clock, log });
  const before = tokens.scopes.length;
  const fetches = () => (tokens.scopes.length - before) / 3;
  await Promise.all([images.list(), images.list(), images.list()]);
  clock.jump(29_999);
  await images.list();
  assert.is(fetches(), 1);
  clock.jump(1);
  await images.list();
  assert.is(fetches(), 2);
});

test("Images.stop() aborts a fetch in flight, and its reply contains the reason", async () => {
  // It accepts connections and never replies.
  const silent = createServer(() => undefined);
  silent.listen(0, "127.0.0.1");
  await once(silent, "listening");
  const host = `127.0.0.1:${(silent.address() as AddressInfo).port}`;
  try {
    const options = { registries: [plain(host)], clock: new ManualClock(), log: pino({ enabled: false }) };
    const images = new Images(options);
    const received = once(silent, "request");
    const reply = images.list();
    await received;
    images.stop();
    assert.match((await reply).registries[0]?.error ?? "", `registry ${host}: no reply from ${host}: the queue stops`);
  } finally {
    silent.close();
    silent.closeAllConnections();
  }
});

test.run();
