/** One command at a time changes a site, or starts the local stack. The cloud of these tests accepts connections and never replies. */
import { once } from "node:events";
import { appendFileSync, readdirSync, readFileSync } from "node:fs";
import { type AddressInfo, createServer, type Server } from "node:net";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { stringify } from "yaml";
import { withFolderLock } from "../../../infra/tools/folder-lock.ts";
import { writeSecretFile } from "../../../lib/nats/credentials/secret-file.ts";
import { takeCloudPool } from "../../support/site/site-host.ts";
import { Stack } from "../../support/stack.ts";
import { until } from "../../support/until.ts";

const test = suite("the lock of a folder");

const LOCK = { waitS: 1, holder: "another command changes the site" };
const LONG_WAIT_S = 600;
const stack = Stack.unstarted();
const folder = stack.path("site");
let cloud: Server;

test.before(async () => {
  cloud = createServer().listen(0, "127.0.0.1");
  await once(cloud, "listening");
  const named = ["--name", "lab", "--nats", "n1=127.0.0.1", "--queue", "q1=127.0.0.2", "--operator", "ada"];
  assert.is((await stack.run("cb-admin", ["site", "init", folder, ...named])).code, 0);
  takeCloudPool(folder, {});
  const image = { file: "/images/host.qcow2", version: "0" };
  const section = { cloud: "mute", network: "n", clients: ["10.0.0.0/8"], hosts: { flavor: "f", image } };
  appendFileSync(join(folder, "site.yaml"), stringify({ cloud: section }));
  const login = { application_credential_id: "id", application_credential_secret: "secret" };
  const auth = { auth_url: `http://127.0.0.1:${(cloud.address() as AddressInfo).port}/v3`, ...login };
  const clouds = stringify({ clouds: { mute: { auth_type: "v3applicationcredential", auth } } });
  await writeSecretFile(stack.path("clouds.yaml"), clouds);
});
test.after(async () => {
  cloud.close();
  await stack.stop();
});

const start = (...args: readonly string[]) =>
  stack.start("cb-admin", ["site", ...args, folder], { env: { OS_CLIENT_CONFIG_FILE: stack.path("clouds.yaml") } });

test("`up`, `update` and `down` end with 75 while another command changes the site", async () => {
  await withFolderLock(folder, LOCK, async () => {
    const all = await Promise.all(["up", "update", "down"].map((verb) => start(verb).finished));
    for (const { code, stderr } of all) {
      assert.is(code, 75);
      assert.match(stderr, `${folder} cannot be locked: another command changes the site`);
    }
  });
});

test("a command that is killed leaves no lock", async () => {
  const connected = once(cloud, "connection");
  const running = start("down", "--yes");
  await connected;
  const held = await withFolderLock(folder, LOCK, async () => "free").catch((error: Error) => error.message);
  assert.match(held, "another command changes the site");
  running.kill("SIGKILL");
  await running.finished;
  // The end of the killed process is what releases it.
  await until("the lock is free", () => withFolderLock(folder, LOCK, async () => true).catch(() => false));
});

/** The command line of a process; empty when it has ended. */
function commandLine(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8");
  } catch {
    return "";
  }
}

const waits = (): boolean =>
  readdirSync("/proc").some((pid) => commandLine(pid).startsWith(`flock\0--wait\0${LONG_WAIT_S}\0${folder}\0`));

test("an abort ends the wait for a lock", async () => {
  const abort = new AbortController();
  await withFolderLock(folder, LOCK, async () => {
    const waiting = withFolderLock(folder, { ...LOCK, waitS: LONG_WAIT_S, signal: abort.signal }, async () => "locked");
    await until("the command waits", waits);
    abort.abort(new Error("the caller left"));
    assert.is(await waiting.catch((error: Error) => error.message), "the caller left");
  });
  assert.is(await withFolderLock(folder, LOCK, async () => "free"), "free");
});

test.run();
