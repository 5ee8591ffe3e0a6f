/** Failed connections to servers that are not, or not quite, NATS. */
import { once } from "node:events";
import { createServer, type Socket } from "node:net";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import type { CbError } from "../../../lib/core/errors.ts";
import { connectNats } from "../../../lib/nats/connection.ts";
import { createKey } from "../../../lib/nats/credentials/nkey.ts";
import { rejection } from "../../support/rejection.ts";

const test = suite("failed connections");

const credential = { jwt: "e30.e30.e30", key: createKey("user") };
const INFO = { server_id: "x", version: "2.9.10", proto: 1, max_payload: 1024, headers: true };

/** The error of a connection to `port` of this machine. */
async function failureAt(host: string, timeoutMs = 20_000): Promise<CbError> {
  const address = { url: `tls://${host}`, servername: "nats.test" };
  return (await rejection(connectNats({ address, credential, name: "test", timeoutMs }))) as CbError;
}

/** The error of a connection to a server that treats each client so. */
async function failureWith(serve: (client: Socket) => void, timeoutMs?: number): Promise<CbError> {
  const sockets: Socket[] = [];
  const server = createServer((client) => {
    sockets.push(client);
    client.on("error", () => undefined);
    serve(client);
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  assert.ok(address !== null && typeof address === "object");
  try {
    return await failureAt(`127.0.0.1:${address.port}`, timeoutMs);
  } finally {
    for (const socket of sockets) socket.destroy();
    server.close();
  }
}

const info = (client: Socket, over: object) => client.write(`INFO ${JSON.stringify({ ...INFO, ...over })}\r\n`);

const NOT_NATS = /: the server there is not a NATS server with TLS/;

for (const [name, serve, message] of [
  ["an HTTP server", (client) => client.end("HTTP/1.1 400 Bad Request\r\n\r\n"), NOT_NATS],
  ["an SSH server", (client) => client.write("SSH-2.0-OpenSSH_9.2\r\n"), NOT_NATS],
  ["a first line without JSON", (client) => client.write("INFO {bad\r\n"), NOT_NATS],
  ["a NATS server without TLS", (client) => info(client, {}), NOT_NATS],
  [
    "a server that answers the TLS handshake with text",
    (client) => {
      info(client, { tls_required: true });
      client.once("data", () => client.write("text".repeat(100)));
    },
    NOT_NATS,
  ],
  [
    "a server that closes in the handshake",
    (client) => {
      info(client, { tls_required: true });
      client.once("data", () => client.destroy());
    },
    /: the server closed the connection \(/,
  ],
  [
    "a server that resets the connection",
    (client) => client.resetAndDestroy(),
    /: the server closed the connection \(/,
  ],
] as const satisfies readonly (readonly [string, (client: Socket) => unknown, RegExp])[]) {
  test(`the error of a connection to ${name} says so, with a remedy`, async () => {
    const { kind, message: text, hint } = await failureWith(serve);
    assert.is(kind, "unreachable");
    assert.match(text, message);
    assert.ok(hint);
  });
}

test("a port without a server, a silent server and an unknown host are told apart", async () => {
  assert.match((await failureAt("127.0.0.1:1")).message, /tls:\/\/127\.0\.0\.1:1: the connection is refused$/);
  assert.match((await failureWith(() => undefined, 200)).message, /: no reply$/);
  assert.match(
    (await failureAt("no-such-host.invalid:4222")).message,
    /: (no such host|the name server does not reply) \(/,
  );
});

test.run();
