/** Publishes invalid messages as fast as NATS accepts them: `flooder URL SERVERNAME CA CREDS SUBJECT COUNT [BYTES]`. */
import { readFileSync } from "node:fs";
import { ErrorCode, NatsError } from "nats";
import { connectNats } from "../../../lib/nats/connection.ts";
import { readCreds } from "../../../lib/nats/credentials/creds.ts";
import { inboxPrefix } from "../../../lib/protocol/subjects.ts";
import { garbage } from "./hostile-bodies.ts";

/** Messages between two flushes: more would only be buffered in this process. */
const BURST = 2_000;
const LARGE_BURST = 4;

const [url = "", servername = "", ca = "", creds = "", subject = "", count = "", bytes] = process.argv.slice(2);
const credential = await readCreds(creds, Date.now());
const nc = await connectNats({ address: { url, servername, ca: readFileSync(ca, "utf8") }, credential, name: "flood" });
const bodies = garbage(64).map(([, body]) => body);
const sent =
  bytes === undefined ? bodies.filter(({ length }) => length < 200) : [new Uint8Array(Number(bytes)).fill(0x5b)];
const burst = bytes === undefined ? BURST : LARGE_BURST;
let replies = 0;
const reply = `${inboxPrefix(credential.key.publicKey)}.flood`;
nc.subscribe(reply, {
  callback: () => {
    replies += 1;
  },
});
const begin = performance.now();
console.log("flooding");
for (let n = 0; n < Number(count); ) {
  for (let end = Math.min(n + burst, Number(count)); n < end; n++)
    nc.publish(subject, sent[n % sent.length], { reply });
  // nats-server closes the connection of a client that falls behind with its replies. A flooder connects again and goes on.
  await nc.flush().catch((error: unknown) => {
    if (!(error instanceof NatsError) || error.code !== ErrorCode.Disconnect) throw error;
  });
}
console.log(JSON.stringify({ ms: performance.now() - begin, replies }));
await nc.close();
