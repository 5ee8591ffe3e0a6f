/** cb-admin backup and restore, on real servers: everything comes back as it was, and nothing is overwritten. */
import { readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { isDeepStrictEqual } from "node:util";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { natsServerOf } from "../../../infra/tools/setup/nats-server.ts";
import { buildChunkWildcard, subjects } from "../../../lib/protocol/subjects.ts";
import { BackupSite } from "../../support/backup/site.ts";
import { contentOf, makeStreams } from "../../support/backup/streams.ts";
import { startCuttingProxy } from "../../support/nats/cutting-proxy.ts";
import { rejection } from "../../support/rejection.ts";
import { until } from "../../support/until.ts";

const test = suite("cb-admin backup");

const site = await BackupSite.make();
/** The content of the server that the backup "whole" is of. */
let whole: Awaited<ReturnType<typeof contentOf>>;
test.after(() => site.stop());

const hidden = () => readdirSync(site.stack.folder).filter((name) => name.endsWith(".part"));

test("a restore into an empty server gives every stream its messages, numbers and configuration back", async () => {
  await site.startEmpty();
  const made = await makeStreams(await site.core());
  const before = await contentOf(await site.core());
  const folder = site.stack.path("whole");
  const saved = await site.admin("backup", folder);
  assert.is(saved.code, 0, saved.stderr);
  assert.match(saved.stderr, /Backup: 9 streams, .* in .*whole, after \d+s/);
  await site.startEmpty();
  const restored = await site.admin("restore", folder);
  assert.is(restored.code, 0, restored.stderr);
  const after = await contentOf(await site.core());
  assert.equal(after, before);
  whole = before;
  assert.match(JSON.stringify(after), `a line of ${made.ended}`);
});

test("a restore works on the nats-server of the server package too, which refuses requests with unknown fields", async () => {
  await site.startEmpty(await natsServerOf("sid", { onStep: console.log }));
  const { code, stderr } = await site.admin("restore", site.stack.path("whole"));
  assert.is(code, 0, stderr);
  assert.match(stderr, "Restoring: 9 streams");
});

test("a backup can be read by its owner alone", () => {
  const folder = site.stack.path("whole");
  assert.is(statSync(folder).mode & 0o777, 0o700);
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  assert.is(files.length, 11);
  for (const { name, parentPath } of files) assert.is(statSync(`${parentPath}/${name}`).mode & 0o777, 0o600, name);
});

test("a restore that is repeated changes nothing", async () => {
  const before = await contentOf(await site.core());
  const again = await site.admin("restore", site.stack.path("whole"));
  assert.is(again.code, 0, again.stderr);
  assert.match(again.stderr, "9 streams restored before");
  assert.equal(await contentOf(await site.core()), before);
});

test("a restore after an interrupted one makes the streams that are missing", async () => {
  const before = await contentOf(await site.core());
  const { streams } = await (await site.core()).jetstreamManager();
  await streams.delete("KV_cb-builds");
  await streams.delete("KV_cb-users");
  const again = await site.admin("restore", site.stack.path("whole"));
  assert.is(again.code, 0, again.stderr);
  assert.match(again.stderr, "7 streams restored before");
  assert.equal(await contentOf(await site.core()), before);
});

test("a restore goes on when its connection breaks in the middle of a stream, and when a reply is lost", async () => {
  for (const fault of ["cut", "lost reply"]) {
    await site.startEmpty();
    const proxy = await startCuttingProxy(Number(new URL(site.url).port));
    try {
      site.configure({ url: `tls://127.0.0.1:${proxy.port}` });
      const restoring = site.start("restore", site.stack.path("whole"));
      const core = await site.core();
      // The image is by far the largest stream: a part of it has arrived.
      await until("a part of the image has been sent", () => proxy.fromClientBytes() > 1024 ** 2);
      if (fault === "cut") proxy.cutAfter(64 * 1024);
      else {
        proxy.holdAnswers();
        const seenBytes = proxy.fromServerBytes();
        await until("a reply was lost", () => proxy.fromServerBytes() > seenBytes);
        proxy.refuse();
        proxy.admit();
      }
      const { code, stderr } = await restoring.finished;
      assert.is(code, 0, stderr);
      assert.match(stderr, "Restoring: 9 streams");
      assert.equal(await contentOf(core), whole, fault);
    } finally {
      site.configure({});
      await proxy.stop();
    }
  }
});

test("a restore refuses a server with a changed stream or another one, and names it", async () => {
  const core = await site.core();
  await core.jetstream().publish("$KV.cb-users.a.new", "a user that was added after the backup");
  const changed = await site.admin("restore", site.stack.path("whole"));
  assert.is(changed.code, 64);
  assert.match(changed.stderr, "streams that are not those of the backup: KV_cb-users\n");
  await site.startEmpty();
  const { streams } = await (await site.core()).jetstreamManager();
  await streams.add({ name: "KV_cb-builders", subjects: ["$KV.cb-builders.>"] });
  const other = await site.admin("restore", site.stack.path("whole"));
  assert.is(other.code, 64);
  assert.match(other.stderr, "KV_cb-builders");
  assert.equal(Object.keys(await contentOf(await site.core())), ["KV_cb-builders"]);
});

test("--without-images leaves out the image of an ended build, and keeps the context of a live one", async () => {
  await site.startEmpty();
  const { ended, live } = await makeStreams(await site.core());
  const folder = site.stack.path("small");
  const { code, stderr } = await site.admin("backup", "--without-images", folder);
  assert.is(code, 0, stderr);
  const saved = readdirSync(`${folder}/streams`);
  assert.ok(saved.includes(`OBJ_build-${live}`));
  assert.not.ok(saved.includes(`OBJ_build-${ended}`));
  assert.ok(saved.includes(`build-${ended}`));
});

test("--suspend: what is open stores nothing more, and is on the new server as it was before", async () => {
  await site.startEmpty();
  const { ended, live } = await makeStreams(await site.core());
  const before = await contentOf(await site.core());
  // An exchange that was given up leaves them suspended; the next one changes nothing in that.
  for (const name of ["first", "suspended"]) {
    const { code, stderr } = await site.admin("backup", "--suspend", site.stack.path(name));
    assert.is(code, 0, stderr);
    assert.match(stderr, "Suspending builds: 3 streams");
  }
  for (const subject of [subjects.log(live), subjects.state(live), buildChunkWildcard(live).replace(">", "x")]) {
    assert.match(String(await rejection((await site.core()).jetstream().publish(subject, "late"))), "503");
  }
  const suspended = await contentOf(await site.core());
  const changed = Object.keys(before).filter((name) => !isDeepStrictEqual(suspended[name], before[name]));
  assert.equal(changed, [`OBJ_build-${ended}`, `OBJ_build-${live}`, `build-${live}`].sort());
  await site.startEmpty();
  const restored = await site.admin("restore", site.stack.path("suspended"));
  assert.is(restored.code, 0, restored.stderr);
  assert.equal(await contentOf(await site.core()), before);
});

test("a damaged file is found before anything is restored", async () => {
  await site.startEmpty();
  const path = site.stack.path("small", "streams", "KV_cb-users");
  const bytes = readFileSync(path);
  bytes.writeUInt8((bytes[100] ?? 0) ^ 1, 100);
  writeFileSync(path, bytes);
  const { code, stderr } = await site.admin("restore", site.stack.path("small"));
  assert.is(code, 64);
  assert.match(stderr, /small\/streams\/KV_cb-users is missing or damaged, so nothing was restored/);
  assert.equal(await contentOf(await site.core()), {});
});

test("a backup of another installation is refused", async () => {
  const path = site.stack.path("whole", "manifest.json");
  const text = readFileSync(path, "utf8");
  writeFileSync(path, text.replace(site.installation.core, site.installation.guest));
  const { code, stderr } = await site.admin("restore", site.stack.path("whole"));
  writeFileSync(path, text);
  assert.is(code, 64);
  assert.match(stderr, "is a backup of another installation");
});

test("a folder without a manifest, or with one of a newer version, is no backup", async () => {
  const none = await site.admin("restore", site.stack.folder);
  assert.is(none.code, 64);
  assert.match(none.stderr, /is not a backup: cannot read .*manifest\.json/);
  const path = site.stack.path("whole", "manifest.json");
  const text = readFileSync(path, "utf8");
  writeFileSync(path, text.replace('"version": 1', '"version": 2'));
  const newer = await site.admin("restore", site.stack.path("whole"));
  writeFileSync(path, text);
  assert.is(newer.code, 64);
  assert.match(newer.stderr, "a newer version of cb-admin wrote it");
});

test("an existing folder is refused, and a full disk leaves no folder", async () => {
  await makeStreams(await site.core());
  const taken = await site.admin("backup", site.stack.path("whole"));
  assert.is(taken.code, 64);
  assert.match(taken.stderr, "whole exists");
  const folder = site.stack.path("full");
  const full = await site.stack.runInShell('ulimit -f 4; exec "$@"', "cb-admin", ["backup", folder]);
  assert.is(full.code, 73, full.stderr);
  assert.match(full.stderr, /cannot write .*full \(EFBIG\)/);
  assert.not.ok(readdirSync(site.stack.folder).includes("full"));
  assert.equal(hidden(), []);
});

test("settings without the credential, a credential without the right, and NATS away are named", async () => {
  site.configure({ backupCreds: undefined });
  const missing = await site.admin("backup", site.stack.path("none"));
  assert.is(missing.code, 78);
  assert.match(missing.stderr, /has no "backupCreds"\n {2}set it to the path of the backup credential/);
  site.configure({ backupCreds: site.installation.files.operatorCreds });
  const denied = await site.admin("backup", site.stack.path("none"));
  assert.is(denied.code, 77, denied.stderr);
  assert.match(denied.stderr, /SNAPSHOT.*\n.*operator\.creds the right credential/);
  site.configure({ restoreCreds: site.installation.files.backupCreds });
  await site.startEmpty();
  site.configure({ restoreCreds: site.installation.files.backupCreds });
  const noRestore = await site.admin("restore", site.stack.path("whole"));
  assert.is(noRestore.code, 77, noRestore.stderr);
  const { url } = site;
  await site.endServer();
  site.configure({ url });
  const away = await site.admin("backup", site.stack.path("none"));
  assert.is(away.code, 69);
  assert.equal(hidden(), []);
});

test.run();
