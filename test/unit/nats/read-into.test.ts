import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect as connectTls, createServer as createTlsServer } from "node:tls";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { makeAuthority, makeCertificate } from "../../../infra/nats/tls.ts";
import { readInto } from "../../../lib/nats/read-into.ts";

const test = suite<{ dir: string }>("reading a socket into one buffer");
const SENT = randomBytes(300_000);

test.before(async (world) => {
  world.dir = await mkdtemp(join(tmpdir(), "cb-read-"));
});
test.after(async ({ dir }) => {
  await rm(dir, { recursive: true, force: true });
});

async function portOf(server: Server): Promise<number> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return (server.address() as AddressInfo).port;
}

/** All data until the other side closes, and the number of buffers that it came in. */
async function readAll(socket: Socket): Promise<{ bytes: Buffer; buffers: number }> {
  const pieces: Buffer[] = [];
  const buffers = new Set<ArrayBufferLike>();
  readInto(socket, (data) => {
    pieces.push(Buffer.from(data));
    buffers.add(data.buffer);
  });
  await once(socket, "close");
  return { bytes: Buffer.concat(pieces), buffers: buffers.size };
}

test("readInto() passes on all bytes of a socket in one buffer, and the socket closes at its end", async () => {
  const server = createServer((socket) => socket.end(SENT));
  const read = await readAll(connect(await portOf(server), "127.0.0.1"));
  server.close();
  assert.ok(read.bytes.equals(SENT));
  assert.is(read.buffers, 1);
});

test("readInto() does the same for TLS over another socket", async ({ dir }) => {
  const file = (name: string): string => join(dir, name);
  const authority = { caFile: file("ca.pem"), caKeyFile: file("ca.key") };
  await makeAuthority(authority, Date.now());
  const files = { certFile: file("cert.pem"), keyFile: file("cert.key") };
  const request = { name: "test", dnsNames: ["nats.test"], addresses: [], usages: ["serverAuth"], ...files } as const;
  await makeCertificate(authority, request, Date.now());
  const [ca, cert, key] = await Promise.all(
    [authority.caFile, files.certFile, files.keyFile].map((one) => readFile(one)),
  );
  const server = createTlsServer({ cert, key }, (socket) => socket.end(SENT));
  const plain = connect(await portOf(server), "127.0.0.1");
  await once(plain, "connect");
  const socket = connectTls({ socket: plain, servername: "nats.test", ca });
  await once(socket, "secureConnect");
  const read = await readAll(socket);
  server.close();
  assert.ok(read.bytes.equals(SENT));
  assert.is(read.buffers, 1);
});

test("readInto() reads as usual where Node lacks the fields", async () => {
  const server = createServer((socket) => socket.end(SENT));
  const socket = connect(await portOf(server), "127.0.0.1");
  await once(socket, "connect");
  const handle: unknown = Reflect.get(socket, "_handle");
  if (typeof handle === "object" && handle !== null) Reflect.set(handle, "useUserBuffer", undefined);
  const read = await readAll(socket);
  server.close();
  assert.ok(read.bytes.equals(SENT));
});

test.run();
