import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { type ClientConfigSources, clientConfig } from "../../../lib/config/client-config.ts";
import { CbError } from "../../../lib/core/errors.ts";

const test = suite<{ root: string }>("client config");

test.before.each((context) => {
  context.root = mkdtempSync(join(tmpdir(), "cb-client-config-"));
});
test.after.each(({ root }) => rmSync(root, { recursive: true }));

function folder(root: string, name: string, text: string): string {
  const path = join(root, name);
  mkdirSync(path);
  writeFileSync(join(path, "config.yaml"), text);
  return path;
}

const sources = (root: string, over: Partial<ClientConfigSources>): ClientConfigSources => ({
  flags: {},
  env: {},
  folders: [],
  localFolder: join(root, "none"),
  ...over,
});

test("clientConfig() takes the account only from the source of the url", ({ root }) => {
  const site = folder(root, "site", "url: tls://site:1\ncreds: /site.creds\naccount: A1\n");
  assert.is(clientConfig(sources(root, { folders: [site] })).account, "A1");
  assert.is(clientConfig(sources(root, { folders: [site], env: { NATS_URL: "tls://other:1" } })).account, undefined);
});

test("clientConfig() takes each setting from the first source that has it", ({ root }) => {
  const user = folder(root, "user", "url: tls://user:1\n");
  const site = folder(root, "site", "url: tls://site:1\ncreds: /site.creds\nservername: s\n");
  const folders = [user, site];
  const config = clientConfig(sources(root, { folders }));
  assert.equal(config, {
    url: "tls://user:1",
    urlFrom: join(user, "config.yaml"),
    creds: "/site.creds",
    servername: "s",
  });
  const env = { NATS_URL: "tls://env:1", QUEUE_HOST: "host" };
  assert.is(clientConfig(sources(root, { folders, env })).url, "tls://env:1");
  assert.is(clientConfig(sources(root, { folders, env, flags: { url: "tls://flag:1" } })).url, "tls://flag:1");
});

test("clientConfig() finds a relative ca in the folder of the config.yaml that names it", ({ root }) => {
  const site = folder(root, "moved", "url: tls://site:1\ncreds: /c\nca: ca.crt\n");
  writeFileSync(join(site, "ca.crt"), "the CA");
  assert.is(clientConfig(sources(root, { folders: [site] })).ca, "the CA");
});

test("clientConfig() takes NATS_CA and NATS_SERVERNAME before the files, and names NATS_CA when it cannot be read", ({
  root,
}) => {
  const ca = join(root, "ca.pem");
  writeFileSync(ca, "PEM");
  const site = folder(root, "site", "url: tls://site:1\ncreds: /c\nca: /none.pem\nservername: site\n");
  const env = { NATS_CA: ca, NATS_SERVERNAME: "env" };
  const config = clientConfig(sources(root, { folders: [site], env }));
  assert.equal([config.ca, config.servername], ["PEM", "env"]);
  const wrong = sources(root, { folders: [site], env: { NATS_CA: "/none.pem" } });
  assert.throws(() => clientConfig(wrong), /cannot read the CA file \/none.pem named in NATS_CA/);
});

test("clientConfig() takes the sealing key only from the source of the url, and refuses what is none", ({ root }) => {
  const key = "k".repeat(43);
  const site = folder(root, "site", `url: tls://site:1\ncreds: /site.creds\nsealingKey: ${key}\n`);
  assert.is(clientConfig(sources(root, { folders: [site] })).sealingKey, key);
  assert.is(clientConfig(sources(root, { folders: [site], env: { NATS_URL: "tls://other:1" } })).sealingKey, undefined);
  const wrong = [folder(root, "wrong", "url: tls://site:1\ncreds: /c\nsealingKey: abc\n")];
  assert.throws(
    () => clientConfig(sources(root, { folders: wrong })),
    /sealingKey: must be 43 characters of base64url/,
  );
});

test("clientConfig() adds port 4222 to a QUEUE_HOST without a port", ({ root }) => {
  const env = { NATS_CREDS: "/c" };
  assert.is(clientConfig(sources(root, { env: { ...env, QUEUE_HOST: "q" } })).url, "tls://q:4222");
  assert.is(clientConfig(sources(root, { env: { ...env, QUEUE_HOST: "q:99" } })).url, "tls://q:99");
});

test("clientConfig() reads the local stack's settings last, and only if no queue is configured", ({ root }) => {
  const localFolder = folder(root, "local", "url: tls://local:1\ncreds: /local.creds\nservername: l\n");
  assert.is(clientConfig(sources(root, { localFolder })).url, "tls://local:1");
  const withCreds = clientConfig(sources(root, { localFolder, env: { NATS_CREDS: "/mine.creds" } }));
  assert.equal([withCreds.url, withCreds.creds], ["tls://local:1", "/mine.creds"]);
  const env = { NATS_URL: "tls://env:1", NATS_CREDS: "/env.creds" };
  assert.equal(clientConfig(sources(root, { localFolder, env })), {
    url: "tls://env:1",
    urlFrom: "NATS_URL",
    creds: "/env.creds",
  });
});

test("clientConfig() names a missing setting and where to set it", ({ root }) => {
  for (const [env, variable] of [
    [{}, "NATS_URL"],
    [{ NATS_URL: "tls://x:1" }, "NATS_CREDS"],
  ] as const) {
    try {
      clientConfig(sources(root, { env, folders: [join(root, "user")] }));
      assert.unreachable();
    } catch (error) {
      assert.ok(error instanceof CbError);
      assert.is(error.kind, "config");
      assert.match(error.hint ?? "", variable);
    }
  }
});

test("clientConfig() refuses an unknown setting", ({ root }) => {
  const folders = [folder(root, "user", "uri: tls://user:1\n")];
  assert.throws(() => clientConfig(sources(root, { folders })), /config.yaml:1: uri: is not a setting/);
});

test("clientConfig() reads the CA file, and names it and its setting's file if it is missing", ({ root }) => {
  const ca = join(root, "ca.pem");
  const site = folder(root, "site", `url: tls://site:1\ncreds: /c\nca: ${ca}\n`);
  assert.throws(
    () => clientConfig(sources(root, { folders: [site] })),
    (error: unknown) =>
      error instanceof CbError && error.kind === "config" && error.message.includes(`${ca} named in ${site}`),
  );
  writeFileSync(ca, "PEM");
  assert.is(clientConfig(sources(root, { folders: [site] })).ca, "PEM");
});

test.run();
