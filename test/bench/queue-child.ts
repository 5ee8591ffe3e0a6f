/** A queue in a process of its own, so that the parent can read its memory. It tells the parent of each new builder. */
import { readFile } from "node:fs/promises";
import { openInstallation } from "../../infra/nats/installation.ts";
import { connectNats } from "../../lib/nats/connection.ts";
import { readCreds } from "../../lib/nats/credentials/creds.ts";
import { Issuer, readKeyFile } from "../../lib/nats/credentials/issuer.ts";
import { startQueue } from "./bench-queue.ts";

const [folder = "", url = "", builds = "2", reserve = "2"] = process.argv.slice(2);
const installation = await openInstallation(folder);
if (installation === undefined) throw new Error(`no installation in ${folder}`);
const { files, serverName } = installation;
const credential = await readCreds(files.queueCreds, Date.now());
const address = { url, ca: await readFile(files.caFile, "utf8"), servername: serverName };
const open = (name: string) => connectNats({ address, credential, name });
const signingKey = await readKeyFile(files.guestSigningSeed);
await startQueue({
  nc: await open("queue"),
  requests: await open("requests"),
  readers: await open("readers"),
  issuer: new Issuer({ guestAccount: installation.guest, signingKey, nowMs: Date.now }),
  builds: Number(builds),
  reserve: Number(reserve),
  onCreate: (builder) => void process.send?.({ builder }),
});
process.send?.({ started: true });
