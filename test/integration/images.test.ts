/** cb-images against real docker-registries: open, with basic authentication, with a token server, and one that is down. */
import { once } from "node:events";
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { type AddressInfo, connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import pino from "pino";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { ImagesReply } from "../../lib/bus/images-messages.ts";
import { ManualClock } from "../../lib/clock.ts";
import { CbError } from "../../lib/errors.ts";
import { Images } from "../../lib/queue/images.ts";
import type { Registry } from "../../lib/registry/address.ts";
import { type Listing, listImages } from "../../lib/registry/list-images.ts";
import { push, type RunningRegistry, startRegistry, untag } from "../support/docker-registry.ts";
import { type QueueYaml, queueWith, stopped } from "../support/own-queue.ts";
import { Stack } from "../support/stack.ts";
import { startTokenServer, type TokenServer } from "../support/token-server.ts";

const LOGIN = { username: "site", password: "s3cret-of-the-site" };
/** crypt(3) of the password with cost 5, as `htpasswd -B` makes it. */
const HTPASSWD = "site:$2b$05$abcdefghijklmnopqrstuupdwjCkan1ZJuUj4h8YhSom.c5Jduu3e\n";
/** Port 1 of the loopback: nothing listens there, and no kernel gives it to anybody. */
const DOWN = "127.0.0.1:1";
const TITAN = { repository: "olcf/titan", tags: ["centos-7_2018-01-18", "ubuntu-16.04_2018-01-18"] };
const SUMMIT = { repository: "olcf/summit", tags: ["centos-7_2018-02-08"] };

interface Context {
  folder: string;
  open: RunningRegistry;
  basic: RunningRegistry;
  bearer: RunningRegistry;
  tokens: TokenServer;
  stack: Stack;
}
const test = suite<Context>("cb-images");

test.before(async (context) => {
  const folder = mkdtempSync(join(tmpdir(), "cb-images-"));
  context.folder = folder;
  writeFileSync(join(folder, "htpasswd"), HTPASSWD);
  context.tokens = await startTokenServer(folder, `${LOGIN.username}:${LOGIN.password}`);
  const basic = { htpasswd: { realm: "test", path: join(folder, "htpasswd") } };
  context.open = await startRegistry({ folder });
  context.basic = await startRegistry({ folder, auth: basic });
  context.bearer = await startRegistry({ folder, auth: context.tokens.auth });
  for (const { repository, tags } of [TITAN, SUMMIT]) await push(context.open.host, repository, tags);
  context.stack = await Stack.start();
});
test.after(async ({ folder, open, basic, bearer, tokens, stack }) => {
  await Promise.all([open, basic, bearer, tokens].map((one) => one?.stop()));
  rmSync(folder, { recursive: true, force: true });
  await stack?.stop();
});

/** Replaces what the queue has none of. */
const only = (list: unknown[]) => (config: QueueYaml) => {
  config.registries = list;
};

const plain = (host: string, login?: Registry["login"]): Registry => ({
  host,
  plainHttp: true,
  ...(login === undefined ? {} : { login }),
});
const list = (registry: Registry): Promise<Listing> => listImages(registry, new AbortController().signal);

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

test("listImages() says which registry refuses: no login, a wrong one, at the registry and at the token server", async ({
  basic,
  bearer,
}) => {
  const wrong = { ...LOGIN, password: "guess-of-a-stranger" };
  for (const { host } of [basic, bearer]) {
    for (const login of [undefined, wrong]) {
      const error = await failureOf(plain(host, login));
      assert.is(error.kind, "denied", error.message);
      assert.not.match(error.message, wrong.password);
    }
  }
});

test("listImages() lists the others when the token server keeps one repository back", async ({ bearer, tokens }) => {
  tokens.withheld.add(TITAN.repository);
  try {
    assert.equal(await list(plain(bearer.host, LOGIN)), { images: [SUMMIT], truncated: false, refused: 1 });
  } finally {
    tokens.withheld.clear();
  }
});

test("listImages() says which registry is down, or speaks no TLS although it should", async ({ open }) => {
  const down = await failureOf(plain(DOWN));
  assert.is(down.kind, "unreachable");
  assert.match(down.message, "ECONNREFUSED");
  assert.is((await failureOf({ host: open.host, plainHttp: false })).kind, "unreachable");
});

test("listImages() goes through the proxy of the environment, and past it where NO_PROXY says so", async ({ open }) => {
  const asked: string[] = [];
  const proxy = createServer().on("connect", (request, client) => {
    asked.push(request.url ?? "");
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
    // Only the proxy knows this host.
    assert.equal(await list(plain("registry.invalid:5000")), BOTH);
    assert.is(new Set(asked).size, 1);
    assert.is(asked[0], "registry.invalid:5000");
    process.env.no_proxy = "registry.invalid";
    assert.is((await failureOf(plain("registry.invalid:5000"))).kind, "unreachable");
  } finally {
    delete process.env.http_proxy;
    delete process.env.no_proxy;
    proxy.close();
    proxy.closeAllConnections();
  }
});

test("listImages() follows the pages of a catalog, and leaves out what has no tag", async ({ folder }) => {
  const many = await startRegistry({ folder: mkdtempSync(join(folder, "many-")) });
  try {
    const names = Array.from({ length: 205 }, (_, n) => `many/r${String(n).padStart(3, "0")}`);
    for (let n = 0; n < names.length; n += 8) {
      await Promise.all(names.slice(n, n + 8).map((name) => push(many.host, name, ["1", "2"])));
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

test("Images.list() asks once for all who ask at the same time and for 30 s after", async ({ bearer, tokens }) => {
  const clock = new ManualClock();
  const log = pino({ enabled: false });
  const images = new Images({ registries: [plain(bearer.host, LOGIN)], clock, log });
  const before = tokens.scopes.length;
  const asked = () => (tokens.scopes.length - before) / 3;
  await Promise.all([images.list(), images.list(), images.list()]);
  clock.jump(29_999);
  await images.list();
  assert.is(asked(), 1);
  clock.jump(1);
  await images.list();
  assert.is(asked(), 2);
});

test("Images.stop() breaks off what is under way, and the answer says so", async () => {
  // It takes connections and never answers.
  const silent = createServer(() => undefined);
  silent.listen(0, "127.0.0.1");
  await once(silent, "listening");
  const host = `127.0.0.1:${(silent.address() as AddressInfo).port}`;
  try {
    const options = { registries: [plain(host)], clock: new ManualClock(), log: pino({ enabled: false }) };
    const images = new Images(options);
    const arrived = once(silent, "request");
    const reply = images.list();
    await arrived;
    images.stop();
    assert.match((await reply).registries[0]?.error ?? "", `registry ${host}: no answer from ${host}: the queue stops`);
  } finally {
    silent.close();
    silent.closeAllConnections();
  }
});

test("a local stack has no registries, and cb-images says so", async ({ stack }) => {
  const { code, stdout, stderr } = await stack.run("cb-images", []);
  assert.is(code, 0, stderr);
  assert.match(stdout, /^Connecting to BuilderQueue: Connected to queue: \S+\nRequesting image list: Fetched\n$/);
  assert.match(stderr, "cb-images: no registries are configured");
  const json = await stack.run("cb-images", ["--json"]);
  assert.equal(JSON.parse(json.stdout), { v: 1, registries: [] });
});

test("cb-images shows one registry in the original's shape, and fails when none answers", async ({ stack, open }) => {
  await stack.queueEnds("SIGTERM");
  const one = await queueWith(stack, only([{ host: open.host, plainHttp: true }]));
  const { code, stdout, stderr } = await stack.run("cb-images", []);
  await stopped(one);
  assert.is(code, 0, stderr);
  assert.is(stderr, "");
  assert.is(
    stdout.replace(/(Connected to queue: )\S+/, "$1HOST"),
    `Connecting to BuilderQueue: Connected to queue: HOST
Requesting image list: Fetched
-----------------------------
repository: olcf/summit
tags:
- centos-7_2018-02-08
-----------------------------
repository: olcf/titan
tags:
- centos-7_2018-01-18
- ubuntu-16.04_2018-01-18
`,
  );
  const none = await queueWith(stack, only([{ host: DOWN, plainHttp: true }]));
  const failed = await stack.run("cb-images", []);
  await stopped(none);
  assert.is(failed.code, 75);
  assert.match(failed.stderr, new RegExp(`^cb-images: registry ${DOWN}: .*ECONNREFUSED.*\ncb-images: no registry`));
});

test("cb-images shows those that answer beside one that is down, and the secret stays in the queue", async ({
  stack,
  open,
  basic,
  bearer,
}) => {
  mkdirSync(stack.path("secrets"));
  const passwordFile = stack.path("secrets", "registry");
  writeFileSync(passwordFile, `${LOGIN.password}\n`);
  chmodSync(passwordFile, 0o600);
  const login = { username: LOGIN.username, passwordFile };
  const hosts = [open.host, DOWN, basic.host, bearer.host];
  const queue = await queueWith(
    stack,
    only(hosts.map((host) => ({ host, plainHttp: true, ...(host === open.host ? {} : login) }))),
  );
  const text = await stack.run("cb-images", []);
  const json = await stack.run("cb-images", ["--json"]);
  const log = await stopped(queue);
  assert.is(text.code, 0, text.stderr);
  const headings = text.stdout.split("\n").filter((line) => line.startsWith("registry: "));
  assert.equal(
    headings,
    [open, basic, bearer].map(({ host }) => `registry: ${host}`),
  );
  assert.match(text.stderr, `cb-images: registry ${DOWN}: `);
  const { registries } = JSON.parse(json.stdout) as ImagesReply;
  assert.equal(
    registries.map(({ host, images, error }) => [host, images.length, error === undefined]),
    hosts.map((host) => [host, host === DOWN ? 0 : 2, host !== DOWN]),
  );
  const encoded = Buffer.from(`${LOGIN.username}:${LOGIN.password}`).toString("base64");
  const everything = [text, json].flatMap(({ stdout, stderr }) => [stdout, stderr]).join("") + log;
  for (const secret of [LOGIN.password, encoded, /eyJ[\w-]{8,}\.[\w-]+\.[\w-]+/]) assert.not.match(everything, secret);
});

test.run();
