/** The sync interval that a running nats-server reports, of each version that a site may have. */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { natsServerOf } from "../../../infra/tools/setup/nats-server.ts";
import { readCreds } from "../../../lib/nats/credentials/creds.ts";
import { startTestNats } from "../../support/nats/nats.ts";

const test = suite("sync interval");

const NANOS_PER_S = 1_000_000_000;
const REPLY_MS = 10_000;

interface Varz {
  readonly data: { readonly jetstream: { readonly config: { readonly sync_interval?: number } } };
}

/** In seconds; undefined when the server has no such setting. */
async function reportedBy(release: string): Promise<number | undefined> {
  const nats = await startTestNats({
    server: { natsServerPath: await natsServerOf(release, { onStep: console.log }) },
  });
  try {
    const { jwt, key } = await readCreds(nats.installation.files.sysCreds, Date.now());
    const { connection } = await nats.connect(jwt, key);
    const reply = await connection.request("$SYS.REQ.SERVER.PING.VARZ", "", { timeout: REPLY_MS });
    const { sync_interval: nanos } = reply.json<Varz>().data.jetstream.config;
    return nanos === undefined ? undefined : nanos / NANOS_PER_S;
  } finally {
    await nats.stop();
  }
}

test("nats-server 2.9 has no sync interval, and starts without it", async () => {
  assert.is(await reportedBy("bookworm"), undefined);
});

for (const [release, version] of Object.entries({ trixie: "2.10", sid: "2.15" })) {
  test(`nats-server ${version} syncs its streams every 10 s`, async () => {
    assert.is(await reportedBy(release), 10);
  });
}

test.run();
