/** A host that takes seconds for a TLS handshake, because its cores do other work: the test holds each connection until it lets it go. */
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { CbError } from "../../../lib/core/errors.ts";
import { connectNats, connectWithRetry } from "../../../lib/nats/connection.ts";
import { readCreds } from "../../../lib/nats/credentials/creds.ts";
import { startTestNats, type TestNats } from "../../support/nats/nats.ts";

const test = suite("slow handshakes");

let nats: TestNats;
let slow: Server;
const sockets = new Set<Socket>();
let release = (): void => undefined;
const released = new Promise<void>((resolve) => {
  release = resolve;
});

test.before(async () => {
  nats = await startTestNats();
  slow = createServer(async (client) => {
    client.on("error", () => undefined);
    sockets.add(client);
    await released;
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

test("a daemon waits for a handshake that takes longer than a user waits", async () => {
  const { caFile, queueCreds } = nats.installation.files;
  const url = `tls://127.0.0.1:${(slow.address() as AddressInfo).port}`;
  const address = { url, servername: "nats.test", ca: await readFile(caFile, "utf8") };
  const options = { address, credential: await readCreds(queueCreds, Date.now()), name: "test" };
  const failures: CbError[] = [];
  const signal = AbortSignal.timeout(120_000);
  const daemon = connectWithRetry(options, { signal, onFailure: (error) => failures.push(error) });
  const program = await connectNats(options).then(
    () => "connected",
    (error: CbError) => error.kind,
  );
  assert.is(program, "unreachable");
  release();
  await (await daemon).close();
  assert.equal(failures, []);
});

test.run();
