/** Sends one user's bad messages as fast as NATS takes them: `flooder URL SERVERNAME CA CREDS SUBJECT COUNT`. */
import { readFileSync } from "node:fs";
import { readCreds } from "../../lib/auth/creds.ts";
import { connectBus } from "../../lib/bus/connect.ts";
import { inboxPrefix } from "../../lib/bus/names.ts";
import { garbage } from "./hostile-bodies.ts";

/** Messages between two looks at whether the server has them: what is written faster lies in this process. */
const BURST = 2_000;

const [url = "", servername = "", ca = "", creds = "", subject = "", count = ""] = process.argv.slice(2);
const credential = await readCreds(creds, Date.now());
const nc = await connectBus({ address: { url, servername, ca: readFileSync(ca, "utf8") }, credential, name: "flood" });
const bodies = garbage(64).map(([, body]) => body);
const small = bodies.filter(({ length }) => length < 200);
let answers = 0;
const reply = `${inboxPrefix(credential.key.publicKey)}.flood`;
nc.subscribe(reply, {
  callback: () => {
    answers += 1;
  },
});
const begin = performance.now();
console.log("flooding");
for (let sent = 0; sent < Number(count); ) {
  for (let end = Math.min(sent + BURST, Number(count)); sent < end; sent++)
    nc.publish(subject, small[sent % small.length], { reply });
  await nc.flush();
}
console.log(JSON.stringify({ ms: performance.now() - begin, answers }));
await nc.close();
