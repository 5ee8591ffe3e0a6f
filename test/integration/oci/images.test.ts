/** The program cb-images with real docker-registries: without a login, with a login, with TLS, and one that is down. */
// slow: registries are started, filled and stopped.
import { execFileSync } from "node:child_process";
import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { ImagesReply } from "../../../lib/protocol/images-messages.ts";
import { startRegistry } from "../../support/oci/docker-registry.ts";
import { DOWN, LOGIN, type Registries, startRegistries, TITAN } from "../../support/oci/registries.ts";
import { configWith, type QueueSettings, queueWith, stopped } from "../../support/queue/own-queue.ts";
import { Stack } from "../../support/stack.ts";

const test = suite<{ registries: Registries; stack: Stack }>("cb-images");

test.before(async (context) => {
  context.registries = await startRegistries();
  context.stack = await Stack.start();
});
test.after(async ({ registries, stack }) => {
  await registries?.stop();
  await stack?.stop();
});

/** Sets the registries of the queue's configuration. */
const withRegistries = (list: unknown[]) => (config: QueueSettings) => {
  config.registries = list;
};

test("cb-images reports that a local stack has no registries", async ({ stack }) => {
  const { code, stdout, stderr } = await stack.run("cb-images", []);
  assert.is(code, 0, stderr);
  assert.match(stdout, /^Connecting to BuilderQueue: Connected to queue: \S+\nRequesting image list: Fetched\n$/);
  assert.match(stderr, "cb-images: no registries are configured");
  const json = await stack.run("cb-images", ["--json"]);
  assert.equal(JSON.parse(json.stdout), { v: 1, registries: [] });
});

test("cb-images lists one registry in the format that scripts parse, and fails when none replies", async ({
  stack,
  registries,
}) => {
  const { open } = registries;
  await stack.queueEnds("SIGTERM");
  const one = await queueWith(stack, withRegistries([{ host: open.host, plainHttp: true }]));
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
  const none = await queueWith(stack, withRegistries([{ host: DOWN, plainHttp: true }]));
  const failed = await stack.run("cb-images", []);
  await stopped(none);
  assert.is(failed.code, 75);
  assert.match(failed.stderr, new RegExp(`^cb-images: registry ${DOWN}: .*ECONNREFUSED.*\ncb-images: no registry`));
});

/** A self-signed certificate for 127.0.0.1: a client that trusts it accepts it as a CA. */
function selfSigned(folder: string): { certificate: string; key: string } {
  const [key, certificate] = [join(folder, "tls.key"), join(folder, "tls.crt")];
  const request = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=registry"];
  const name = ["-addext", "subjectAltName=IP:127.0.0.1"];
  execFileSync("openssl", [...request, ...name, "-keyout", key, "-out", certificate], { stdio: "pipe" });
  return { certificate, key };
}

test("cb-images lists a registry with TLS and a login if its CA is trusted, and reports an untrusted one", async ({
  stack,
  registries: { folder, basicAuth },
}) => {
  const tls = selfSigned(folder);
  const registry = await startRegistry({ folder, tls, auth: basicAuth });
  const passwordFile = stack.path("tls-password");
  writeFileSync(passwordFile, LOGIN.password, { mode: 0o600 });
  const config = configWith(stack, withRegistries([{ host: registry.host, username: LOGIN.username, passwordFile }]));
  try {
    for (const [env, code, expected] of [
      [{}, 75, /self-signed certificate/],
      [{ NODE_EXTRA_CA_CERTS: tls.certificate }, 0, /repository: olcf\/summit\n/],
    ] as const) {
      const queue = stack.start("cb-queue", ["--config", config], { env });
      await queue.seen(/cb-queue answers/);
      const shown = await stack.run("cb-images", []);
      await stopped(queue);
      assert.is(shown.code, code, shown.stderr);
      assert.match(shown.stdout + shown.stderr, expected);
    }
  } finally {
    await registry.stop();
  }
});

test("cb-images lists the other registries beside one that is down and one that refuses a repository, and no secret leaves the queue", async ({
  stack,
  registries: { open, basic, bearer, tokens },
}) => {
  mkdirSync(stack.path("secrets"));
  const passwordFile = stack.path("secrets", "registry");
  writeFileSync(passwordFile, `${LOGIN.password}\n`);
  chmodSync(passwordFile, 0o600);
  const login = { username: LOGIN.username, passwordFile };
  tokens.withheld.add(TITAN.repository);
  const hosts = [open.host, DOWN, basic.host, bearer.host];
  const queue = await queueWith(
    stack,
    withRegistries(hosts.map((host) => ({ host, plainHttp: true, ...(host === open.host ? {} : login) }))),
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
  assert.match(
    text.stderr,
    `cb-images: registry ${bearer.host}: 1 repository is left out, because the registry denies the queue access`,
  );
  const listed = (JSON.parse(json.stdout) as ImagesReply).registries;
  assert.equal(
    listed.map(({ host, images, refused, error }) => [host, images.length, refused, error === undefined]),
    [
      [open.host, 2, undefined, true],
      [DOWN, 0, undefined, false],
      [basic.host, 2, undefined, true],
      [bearer.host, 1, 1, true],
    ],
  );
  const encoded = Buffer.from(`${LOGIN.username}:${LOGIN.password}`).toString("base64");
  const everything = [text, json].flatMap(({ stdout, stderr }) => [stdout, stderr]).join("") + log;
  for (const secret of [LOGIN.password, encoded, /eyJ[\w-]{8,}\.[\w-]+\.[\w-]+/]) assert.not.match(everything, secret);
});

test.run();
