/** The check of cb-queue for the clouds that its configuration names. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { suite } from "uvu";
import * as assert from "uvu/assert";
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

/** No server listens on the NATS port, because the checks run before cb-queue connects. */
function configure(home: string, authUrl: string, flavor = "t.nano"): string {
  const auth = { auth_url: authUrl, username: "demo", password: "hidden", project_name: "demo" };
  writeFileSync(join(home, "clouds.yaml"), JSON.stringify({ clouds: { lab: { auth } } }));
  const provider = { kind: "openstack", cloud: "lab", flavor, image: "stub", networks: ["lab"] };
  const config = {
    installation: "site",
    nats: { url: "tls://127.0.0.1:1", creds: "/nowhere" },
    issuer: { account: `A${"B".repeat(55)}`, signingKey: join(home, "none") },
    pools: [{ name: "big", max: 3, nats: { url: "tls://127.0.0.1:1" }, provider }],
  };
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

test("--check --clouds asks the cloud and prints the use of its limits", async ({ cloud, home }) => {
  cloud.answer("GET /nova/v2.1/limits", "limits-used");
  const config = configure(home, cloud.authUrl);
  const { code, stdout, stderr } = await run(home, ["--check", "--clouds", "--config", config]);
  const limits = "1 of 1 instances, 1 cores (no limit), 128 MiB of memory (no limit)";
  assert.equal([code, stdout, stderr], [0, `pool big: ${limits}\n`, ""]);
});

test("--check alone sends no request to the cloud", async ({ cloud, home }) => {
  const { code, stderr } = await run(home, ["--check", "--config", configure(home, cloud.authUrl)]);
  assert.equal([code, stderr, cloud.asked], [0, "", []]);
});

test("a wrong flavor name exits with 78 and names the pool, the setting and the flavors that exist", async ({
  cloud,
  home,
}) => {
  const config = configure(home, cloud.authUrl, "t.nan");
  const { code, stderr } = await run(home, ["--check", "--clouds", "--config", config]);
  const message =
    "cb-queue: pool big: the cloud does not have what is configured\n  flavor: there is no t.nan, there is t.nano";
  assert.equal([code, stderr.slice(0, message.length)], [78, message]);
});

test("a revoked secret exits with 78 and is not printed", async ({ cloud, home }) => {
  cloud.answer("POST /keystone/v3/auth/tokens", "token-wrong-password");
  const config = configure(home, cloud.authUrl);
  const { code, stdout, stderr } = await run(home, ["--check", "--clouds", "--config", config]);
  assert.is(code, 78, stderr);
  assert.match(
    stderr,
    /pool big: the cloud lab in .*clouds\.yaml: Keystone refuses the login of user demo, project demo/,
  );
  assert.not.match(stdout + stderr, "hidden");
});

test("an unreachable cloud exits with 75", async ({ cloud, home }) => {
  const config = configure(home, cloud.authUrl);
  await cloud.stop();
  const { code, stderr } = await run(home, ["--check", "--clouds", "--config", config]);
  assert.is(code, 75, stderr);
  assert.match(stderr, /pool big: Keystone: no answer to POST .*: connect ECONNREFUSED/);
});

test.run();
