/** A host that takes seconds for a TLS handshake, because its cores do other work. Each connection is held for longer than a user waits. */
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { CbError } from "../../../lib/core/errors.ts";
import { connectNats, connectWithRetry } from "../../../lib/nats/connection.ts";
import { readCreds } from "../../../lib/nats/credentials/creds.ts";
import { startTestNats, type TestNats } from "../../support/nats/nats.ts";

const test = suite("slow handshakes");

/** Longer than the limit of a user's program, 4 s, and shorter than that of a daemon, 10 s. */
const HELD_MS = 5_000;
let nats: TestNats;
let slow: Server;
const sockets = new Set<Socket>();

test.before(async () => {
  nats = await startTestNats();
  slow = createServer(async (client) => {
    client.on("error", () => undefined);
    sockets.add(client);
    await delay(HELD_MS);
    const upstream = connect(nats.port, "127.0.0.1");
    sockets.add(upstream.on("error", () => client.destroy()));
    client.pipe(upstream).pipe(client);
  }).listen(0, "127.0.0.1");
  await once(slow, "listening");
});
test.after(async () => {
  for (const socket of sockets) socket.destroy();
  slow?.close();
  await nats?.stop();
});

test("a daemon waits for the handshake, and a user's program ends", async () => {
  const { caFile, queueCreds } = nats.installation.files;
  const url = `tls://127.0.0.1:${(slow.address() as AddressInfo).port}`;
  const address = { url, servername: "nats.test", ca: await readFile(caFile, "utf8") };
  const options = { address, credential: await readCreds(queueCreds, Date.now()), name: "test" };
  const failures: CbError[] = [];
  const signal = AbortSignal.timeout(120_000);
  const [daemon, program] = await Promise.allSettled([
    connectWithRetry(options, { signal, onFailure: (error) => failures.push(error) }),
    connectNats(options),
  ]);
  assert.is(program.status, "rejected");
  assert.equal(failures, []);
  assert.is(daemon.status, "fulfilled");
  if (daemon.status === "fulfilled") await daemon.value.close();
});

test.run();
