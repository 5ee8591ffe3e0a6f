/** One command at a time changes a site in a cloud. The cloud of these tests accepts connections and never replies. */
import { once } from "node:events";
import { appendFileSync } from "node:fs";
import { type AddressInfo, createServer, type Server } from "node:net";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { stringify } from "yaml";
import { withFolderLock } from "../../../infra/site/cloud/folder-lock.ts";
import { writeSecretFile } from "../../../lib/nats/credentials/secret-file.ts";
import { takeCloudPool } from "../../support/site/site-host.ts";
import { Stack } from "../../support/stack.ts";
import { until } from "../../support/until.ts";

const test = suite("the lock of a site's folder");

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
  await withFolderLock(folder, async () => {
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
  const held = await withFolderLock(folder, async () => "free").catch((error: Error) => error.message);
  assert.match(held, "another command changes the site");
  running.kill("SIGKILL");
  await running.finished;
  // The end of the killed process is what releases it.
  await until("the lock is free", () => withFolderLock(folder, async () => true).catch(() => false));
});

test.run();
