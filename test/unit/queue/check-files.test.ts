import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { queueConfig } from "../../../lib/config/queue-config.ts";
import { parseYaml } from "../../../lib/config/yaml-file.ts";
import { CbError } from "../../../lib/core/errors.ts";
import { createKey } from "../../../lib/nats/credentials/nkey.ts";
import { checkFiles } from "../../../lib/queue/check-files.ts";

const test = suite<{ dir: string }>("check files");

test.before.each((world) => {
  world.dir = mkdtempSync(join(tmpdir(), "cb-check-"));
});
test.after.each(({ dir }) => rmSync(dir, { recursive: true, force: true }));

const config = (dir: string, url: string, reserve: number) => `installation: test
nats: { url: "tls://nats.test:4222", creds: ${dir}/queue.creds, ca: ${dir}/ca.pem }
issuer: { account: A${"B".repeat(55)}, signingKey: ${dir}/key }
pools:
  - name: local
    reserve: ${reserve}
    max: 1
    nats: { url: "${url}" }
    provider: { kind: sandbox, stateDir: /s, rootfs: ${dir}/rootfs, agentDir: ${dir}/key, allowHostPorts: [] }
registries:
  - { host: reg.example, username: u, passwordFile: ${dir}/password }
`;

function mistakesIn(text: string): string[] {
  try {
    parseYaml(text, "queue.yaml", queueConfig, checkFiles);
    return [];
  } catch (error) {
    if (!(error instanceof CbError)) throw error;
    assert.is(error.kind, "config");
    return error.message.split("\n").slice(1);
  }
}

test("checkFiles() names every missing or wrong file with line and remedy, beside the mistakes of the schema", ({
  dir,
}) => {
  writeFileSync(join(dir, "queue.creds"), "no credential");
  writeFileSync(join(dir, "key"), createKey("account").seed());
  const mistakes = mistakesIn(config(dir, "tls://10.0.2.2:99999", 2));
  for (const part of [
    /queue\.yaml:6: pools\.0\.reserve: must not be above max/,
    /queue\.yaml:8: pools\.0\.nats\.url: must be tls:\/\/HOST:PORT/,
    /queue\.yaml:2: nats\.ca: .*ca\.pem does not exist; copy the CA/,
    /queue\.yaml:2: nats\.creds: .*cannot be used: .*; copy creds/,
    /queue\.yaml:9: pools\.0\.provider\.rootfs: .* does not exist; make it/,
    /queue\.yaml:9: pools\.0\.provider\.agentDir: .* is no folder; name/,
    /queue\.yaml:11: registries\.0\.passwordFile: .* does not exist; write/,
  ]) {
    assert.is(mistakes.filter((line) => part.test(line)).length, 1, `${part}\n${mistakes.join("\n")}`);
  }
  assert.is(mistakes.length, 7, mistakes.join("\n"));
});

test("checkFiles() names a signing key that is missing, and a file that is none", ({ dir }) => {
  const about = () =>
    mistakesIn(config(dir, "tls://10.0.2.2:4222", 1)).filter((line) => line.includes("issuer.signingKey"));
  assert.match(about().join(), /^ *queue\.yaml:3: issuer\.signingKey: .*key does not exist; copy the seed of GUEST/);
  writeFileSync(join(dir, "key"), "no seed");
  assert.match(about().join(), "cannot be used");
  writeFileSync(join(dir, "key"), createKey("account").seed());
  assert.equal(about(), []);
});

test("the reserve may equal max, and the address of NATS must have a host and a valid port", () => {
  const schemaOnly = (url: string, reserve: number) => parseYaml(config("/d", url, reserve), "queue.yaml", queueConfig);
  assert.is(schemaOnly("tls://a:4222, nats://[::1]:4223", 1).pools[0]?.reserve, 1);
  for (const url of [
    "tls://:4222",
    "tls://a:0",
    "tls://a:65536",
    "tls://a:x",
    "tls://a/path",
    "tls://a:1,tls://b:99999",
  ])
    assert.throws(() => schemaOnly(url, 1), /pools\.0\.nats\.url/, url);
});

test.run();
