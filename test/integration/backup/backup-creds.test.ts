/** The backup credential of an installation, also of one that an earlier version made. */
import { mkdtemp, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { openInstallation } from "../../../infra/nats/installation.ts";
import { makeInstallation } from "../../../infra/nats/make-installation.ts";
import { readCreds } from "../../../lib/nats/credentials/creds.ts";

const test = suite("backup credential");

const folder = await mkdtemp(join(tmpdir(), "cb-backup-creds-"));
test.after(() => rm(folder, { recursive: true, force: true }));

const options = { folder: join(folder, "keys"), name: "test", serverName: "nats.test", nowMs: Date.now() };

test("a new installation has it, in CORE, with mode 0600", async () => {
  const { files, core } = await makeInstallation(options);
  const creds = await readCreds(files.backupCreds, Date.now());
  assert.is(creds.name, "backup");
  assert.is(creds.account, core);
  assert.is((await stat(files.backupCreds)).mode & 0o777, 0o600);
});

test("an installation without it stays valid, and gets one when it is made again; an existing one is kept", async () => {
  const { files } = await makeInstallation(options);
  const first = await readFile(files.backupCreds, "utf8");
  await makeInstallation(options);
  assert.is(await readFile(files.backupCreds, "utf8"), first);
  await rm(files.backupCreds);
  assert.ok(await openInstallation(options.folder));
  const queue = await readFile(files.queueCreds, "utf8");
  await makeInstallation(options);
  assert.is((await readCreds(files.backupCreds, Date.now())).name, "backup");
  assert.is(await readFile(files.queueCreds, "utf8"), queue);
});

test.run();
