import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { clientConfig } from "../../../lib/config/client-config.ts";
import type { ClientConfigPlaces } from "../../../lib/config/client-sources.ts";
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

const sources = (root: string, over: Partial<ClientConfigPlaces>): ClientConfigPlaces => ({
  env: {},
  folders: [],
  natsFolder: join(root, "nats"),
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

/** A context as the nats CLI saves it: with all fields, those without a value empty. */
function context(root: string, name: string, fields: Readonly<Record<string, unknown>>): void {
  mkdirSync(join(root, "nats/context"), { recursive: true });
  const empty = Object.fromEntries(
    ["description", "socks_proxy", "token", "user", "password", "nkey", "nsc"].map((field) => [field, ""]),
  );
  writeFileSync(
    join(root, `nats/context/${name}.json`),
    JSON.stringify({ ...empty, tls_first: false, ...fields }, null, 2),
  );
}

test("clientConfig() takes the context that NATS_CONTEXT names: after the other variables, before the files", ({
  root,
}) => {
  const site = folder(root, "site", "url: tls://site:1\ncreds: /site.creds\nservername: site\naccount: A1\n");
  const ca = join(root, "ca.pem");
  writeFileSync(ca, "PEM");
  context(root, "hpc", { url: "tls://context:1", creds: "/context.creds", ca, inbox_prefix: "_X" });
  const env = { NATS_CONTEXT: "hpc" };
  assert.equal(clientConfig(sources(root, { folders: [site], env })), {
    url: "tls://context:1",
    urlFrom: join(root, "nats/context/hpc.json"),
    creds: "/context.creds",
    servername: "site",
    ca: "PEM",
  });
  const withCreds = { ...env, NATS_CREDS: "/env.creds" };
  const config = clientConfig(sources(root, { folders: [site], env: withCreds }));
  assert.equal([config.url, config.creds], ["tls://context:1", "/env.creds"]);
});

test("clientConfig() does not take the context that is selected", ({ root }) => {
  context(root, "hpc", { url: "tls://context:1", creds: "/context.creds" });
  writeFileSync(join(root, "nats/context.txt"), "hpc");
  const site = folder(root, "site", "url: tls://site:1\ncreds: /site.creds\n");
  assert.is(clientConfig(sources(root, { folders: [site] })).url, "tls://site:1");
});

test("clientConfig() takes ~/ in a context as the home folder", ({ root }) => {
  context(root, "hpc", { url: "tls://context:1", creds: "~/my.creds" });
  assert.is(clientConfig(sources(root, { env: { NATS_CONTEXT: "hpc" } })).creds, join(homedir(), "my.creds"));
});

function contextError(root: string, name: string): CbError {
  try {
    clientConfig(sources(root, { env: { NATS_CONTEXT: name } }));
  } catch (error) {
    if (error instanceof CbError) return error;
    throw error;
  }
  throw new Error("not refused");
}

test("clientConfig() refuses each field of a context that it does not take, by name, without its value", ({ root }) => {
  const fields = ["user", "password", "token", "nkey", "nsc", "user_jwt", "cert", "key", "socks_proxy", "later"];
  context(root, "hpc", {
    url: "tls://context:1",
    ...Object.fromEntries(fields.map((field) => [field, "S3CRET"])),
    tls_first: true,
  });
  const { kind, message } = contextError(root, "hpc");
  assert.is(kind, "config");
  for (const field of [...fields, "tls_first"]) assert.match(message, new RegExp(`hpc\\.json:\\d+: ${field}: is not `));
  assert.not.match(message, "S3CRET");
});

test("clientConfig() refuses a credential of a context that is no file", ({ root }) => {
  context(root, "hpc", { url: "tls://context:1", creds: "op://vault/item" });
  assert.match(contextError(root, "hpc").message, /creds: must be the path of a file/);
});

test("clientConfig() names the contexts that there are when NATS_CONTEXT names none of them", ({ root }) => {
  assert.match(contextError(root, "hpc").hint ?? "", "nats context add");
  context(root, "hpc", {});
  const { message, hint } = contextError(root, "hcp");
  assert.match(message, /NATS_CONTEXT=hcp, but there is no .*\/nats\/context\/hcp\.json/);
  assert.is(hint, "there are: hpc");
  assert.match(contextError(root, "../hpc").message, "is not the name of a context");
});

test.run();
