/** The backup credential takes snapshots, and reaches nothing else: no subject of a build, no message, no change of a stream. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { listStreams } from "../../../lib/nats/jetstream/snapshot/list-streams.ts";
import { saveStream } from "../../../lib/nats/jetstream/snapshot/snapshot.ts";
import { buildBucketStream, buildStream, subjects } from "../../../lib/protocol/subjects.ts";
import { BackupSite } from "../../support/backup/site.ts";
import { contentOf, makeStreams } from "../../support/backup/streams.ts";

const test = suite("rights of the backup credential");

const site = await BackupSite.make();
await site.startEmpty();
test.after(() => site.stop());
const core = await site.core();
const made = await makeStreams(core);
const js = await site.connect(site.installation.files.backupCreds);

const streams = [buildStream(made.live), buildBucketStream(made.live), "KV_cb-users"];

/** "no reply": the server refuses the subject, or replies nothing. */
const request = (subject: string, body = "{}"): Promise<string> =>
  js.nc.request(subject, body, { timeout: 500 }).then(
    (reply) => reply.string(),
    () => "no reply",
  );

test("it lists the streams and takes a snapshot of each", async () => {
  const listed = await listStreams(js);
  assert.is(listed.length, 9);
  for (const { name } of listed) {
    let bytes = 0;
    const write = (chunk: Uint8Array) => {
      bytes += chunk.length;
    };
    const saved = await saveStream(js, name, { write, signal: new AbortController().signal });
    assert.is(saved?.config.name, name);
    assert.ok(bytes > 100, `${name} has ${bytes} bytes`);
  }
});

test("it publishes on no subject of a build, a bucket, a user, an operator or a builder", async () => {
  const before = await contentOf(core);
  const received: string[] = [];
  for (const subject of ["queue.>", "admin.>", "builder.>", "guest.>"])
    core.subscribe(subject, { callback: (_, message) => void received.push(message.subject) });
  await core.flush();
  const targets = [subjects.log(made.live), subjects.state(made.live), `$O.build-${made.live}.C.x`];
  const others = ["$KV.cb-users.a.kept", "queue.status.ada", "admin.users.operator", `builder.${made.live}.ask`];
  for (const subject of [...targets, ...others, "$SRV.PING", "$JS.FC.x", "$JS.ACK.x"])
    assert.is(await request(subject, "forged"), "no reply", subject);
  await core.flush();
  assert.equal(received, []);
  assert.equal(await contentOf(core), before);
});

test("it reads no message, and changes, makes, restores and deletes no stream", async () => {
  const before = await contentOf(core);
  const calls = ["STREAM.CREATE", "STREAM.UPDATE", "STREAM.DELETE", "STREAM.PURGE", "STREAM.MSG.DELETE"];
  const reads = ["STREAM.MSG.GET", "DIRECT.GET", "CONSUMER.CREATE", "CONSUMER.DURABLE.CREATE", "STREAM.RESTORE"];
  for (const stream of streams) {
    for (const call of [...calls, ...reads, "CONSUMER.NAMES", "CONSUMER.LIST"])
      assert.is(await request(`$JS.API.${call}.${stream}`, '{"seq":1}'), "no reply", `${call} ${stream}`);
  }
  assert.is(await request("$JS.API.STREAM.RESTORE.new", '{"config":{"name":"new"}}'), "no reply");
  assert.is(await request("$JS.SNAPSHOT.RESTORE.new.x", ""), "no reply");
  assert.equal(await contentOf(core), before);
});

test("it hears nothing but its own inbox", async () => {
  const received: string[] = [];
  for (const subject of [">", "build.>", "$KV.>", "$O.>", "queue.>", "_INBOX.>", "$JS.>", "$SRV.>", "$JS.EVENT.>"])
    js.nc.subscribe(subject, { callback: (_, message) => void received.push(`${subject}: ${message?.subject}`) });
  await js.nc.flush();
  await core.jetstream().publish(subjects.log(made.live), "a secret line");
  await core.jetstream().publish("$KV.cb-users.a.kept", "a secret record");
  await js.nc.flush();
  assert.equal(
    received.filter((line) => !line.endsWith("undefined")),
    [],
  );
});

test.run();
