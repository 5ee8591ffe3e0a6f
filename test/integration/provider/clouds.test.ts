/** cb-queue --check: the clouds of its configuration. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { formatCreds } from "../../../lib/nats/credentials/creds.ts";
import { userJwt } from "../../../lib/nats/credentials/jwt.ts";
import { createKey } from "../../../lib/nats/credentials/nkey.ts";
import { RecordedCloud } from "../../support/openstack/recorded-cloud.ts";

const PROGRAM = fileURLToPath(new URL("../../../cmd/cb-queue.ts", import.meta.url));

const test = suite<{ cloud: RecordedCloud; home: string }>("cb-queue and its clouds");
test.before.each(async (context) => {
  context.cloud = await RecordedCloud.start();
  context.home = mkdtempSync(join(tmpdir(), "cb-clouds-"));
});
test.after.each(async ({ cloud, home }) => {
  await cloud.stop();
  rmSync(home, { recursive: true });
});

/** With the address of a NATS that does not run: the checks must not need it. */
function configure(home: string, authUrl: string, flavor = "t.nano"): string {
  const auth = { auth_url: authUrl, username: "demo", password: "hidden", project_name: "demo" };
  writeFileSync(join(home, "clouds.yaml"), JSON.stringify({ clouds: { lab: { auth } } }));
  const provider = { kind: "openstack", cloud: "lab", flavor, image: "stub", networks: ["lab"] };
  const config = {
    installation: "site",
    nats: { url: "tls://127.0.0.1:1", creds: join(home, "queue.creds") },
    issuer: { account: `A${"B".repeat(55)}`, signingKey: join(home, "guest.seed") },
    pools: [{ name: "big", max: 3, nats: { url: "tls://127.0.0.1:1" }, provider }],
  };
  // The check of files is not the subject here: these exist.
  const account = createKey("account");
  const user = createKey("user");
  const subject = { name: "queue", publicKey: user.publicKey, issuedAtMs: Date.now() };
  const jwt = userJwt(subject, {}, account, account.publicKey);
  writeFileSync(join(home, "queue.creds"), formatCreds(jwt, user), { mode: 0o600 });
  writeFileSync(join(home, "guest.seed"), account.seed(), { mode: 0o600 });
  const path = join(home, "queue.yaml");
  writeFileSync(path, JSON.stringify(config));
  return path;
}

async function run(home: string, args: readonly string[]) {
  const env = { ...process.env, HOME: home, OS_CLIENT_CONFIG_FILE: join(home, "clouds.yaml") };
  const child = spawn(process.execPath, ["--import", "tsx", PROGRAM, ...args], {
    env,
    stdio: ["ignore", "pipe", "pipe"],
  });
  const [stdout, stderr, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, "exit")]);
  return { code, stdout, stderr };
}

test("--check --clouds logs in to the cloud, and prints the used limits", async ({ cloud, home }) => {
  cloud.replyTo("GET /nova/v2.1/limits", "nova/resources/limits-used");
  const config = configure(home, cloud.authUrl);
  const { code, stdout, stderr } = await run(home, ["--check", "--clouds", "--config", config]);
  const limits = "1 of 1 instances, 1 cores (no limit), 128 MiB of memory (no limit)";
  assert.equal([code, stdout, stderr], [0, `pool big: ${limits}\n`, ""]);
});

test("--check alone sends no request to the cloud", async ({ cloud, home }) => {
  const { code, stderr } = await run(home, ["--check", "--config", configure(home, cloud.authUrl)]);
  assert.equal([code, stderr, cloud.requests], [0, "", []]);
});

test("a wrong name exits with 78, and names the pool, the setting and the existing names", async ({ cloud, home }) => {
  const config = configure(home, cloud.authUrl, "t.nan");
  const { code, stderr } = await run(home, ["--check", "--clouds", "--config", config]);
  const message =
    "cb-queue: pool big: the configuration does not match the cloud\n  flavor: t.nan does not exist; existing: t.nano";
  assert.equal([code, stderr.slice(0, message.length)], [78, message]);
});

test("a revoked secret exits with 78, and is not printed", async ({ cloud, home }) => {
  cloud.replyTo("POST /keystone/v3/auth/tokens", "keystone/token-wrong-password");
  const config = configure(home, cloud.authUrl);
  const { code, stdout, stderr } = await run(home, ["--check", "--clouds", "--config", config]);
  assert.is(code, 78, stderr);
  assert.match(
    stderr,
    /pool big: the cloud lab in .*clouds\.yaml: Keystone refuses the login of user demo, project demo/,
  );
  assert.not.match(stdout + stderr, "hidden");
});

test("an unavailable cloud exits with 75", async ({ cloud, home }) => {
  const config = configure(home, cloud.authUrl);
  await cloud.stop();
  const { code, stderr } = await run(home, ["--check", "--clouds", "--config", config]);
  assert.is(code, 75, stderr);
  assert.match(stderr, /pool big: Keystone: no reply to POST .*: connect ECONNREFUSED/);
});

test.run();
