/**
 * A minimal NATS client, written from the protocol's specification: TLS, `CONNECT`, `SUB`, `MSG`, `PING`, without headers. It stands
 * for any client that an operator uses, and shares no code with nats.js.
 */
import { createPrivateKey, sign } from "node:crypto";
import { readFile } from "node:fs/promises";
import { connect as connectTcp, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";

interface PlainMessage {
  readonly subject: string;
  readonly data: Buffer;
}

export interface PlainOptions {
  readonly port: number;
  readonly caFile: string;
  readonly serverName: string;
  readonly credsFile: string;
}

export interface PlainClient {
  /** Resolves when the server has accepted the subscription. Rejects when it refuses it. */
  subscribe(subject: string): Promise<void>;
  /** All messages received so far, in order. */
  readonly messages: readonly PlainMessage[];
  /** Resolves when at least `count` messages were received. */
  received(count: number): Promise<void>;
  close(): void;
}

export async function plainClient(options: PlainOptions): Promise<PlainClient> {
  const { jwt, sign } = await credential(options.credsFile);
  const { socket, nonce } = await secured(options);
  const messages: PlainMessage[] = [];
  let waiting: { count: number; done: () => void } | undefined;
  const pongs: { resolve: () => void; reject: (error: Error) => void }[] = [];
  const handle = (line: string, data: Buffer) => {
    if (line.startsWith("MSG ")) {
      messages.push({ subject: line.split(" ")[1] ?? "", data });
      if (waiting !== undefined && messages.length >= waiting.count) waiting.done();
    }
    if (line === "PING") socket.write("PONG\r\n");
    if (line === "PONG") pongs.shift()?.resolve();
    if (line.startsWith("-ERR")) for (const pong of pongs.splice(0)) pong.reject(new Error(line));
  };
  const parse = parser(handle);
  socket.on("data", parse);
  socket.on("error", (error) => pongs.splice(0).forEach((pong) => void pong.reject(error)));
  const send = (text: string) =>
    new Promise<void>((resolve, reject) => {
      pongs.push({ resolve, reject });
      socket.write(`${text}\r\nPING\r\n`);
    });
  const hello = { verbose: false, pedantic: false, headers: false, lang: "plain", version: "0", protocol: 1 };
  await send(`CONNECT ${JSON.stringify({ ...hello, jwt, sig: sign(nonce) })}`);
  let sid = 0;
  return {
    messages,
    subscribe: (subject) => send(`SUB ${subject} ${++sid}`),
    received: (count) =>
      new Promise((done) => {
        waiting = { count, done };
        if (messages.length >= count) done();
      }),
    close: () => socket.destroy(),
  };
}

/** The server's first line is unencrypted: INFO with the nonce. Then both sides start TLS. */
async function secured(options: PlainOptions): Promise<{ socket: Socket; nonce: string }> {
  const tcp = connectTcp(options.port, "127.0.0.1");
  const info = await new Promise<string>((resolve, reject) => {
    tcp.once("error", reject);
    tcp.once("data", (data) => resolve(data.toString().slice("INFO ".length)));
  });
  const { nonce } = JSON.parse(info) as { nonce: string };
  const ca = await readFile(options.caFile);
  const socket = connectTls({ socket: tcp, ca, servername: options.serverName });
  await new Promise<void>((resolve, reject) => {
    socket.once("error", reject);
    socket.once("secureConnect", resolve);
  });
  return { socket, nonce };
}

/** Splits the stream into lines and payloads; that many bytes follow a line `MSG <subject> <sid> [reply] <bytes>`. */
function parser(handle: (line: string, data: Buffer) => void): (chunk: Buffer) => void {
  let rest = Buffer.alloc(0);
  return (chunk) => {
    rest = Buffer.concat([rest, chunk]);
    for (;;) {
      const end = rest.indexOf("\r\n");
      if (end < 0) return;
      const line = rest.subarray(0, end).toString();
      const size = line.startsWith("MSG ") ? Number(line.split(" ").at(-1)) : undefined;
      const next = end + 2 + (size === undefined ? 0 : size + 2);
      if (rest.length < next) return;
      const data = Buffer.from(rest.subarray(end + 2, end + 2 + (size ?? 0)));
      rest = rest.subarray(next);
      handle(line, data);
    }
  };
}

/** Reads JWT and seed with its own base32 decoder, because an independent client must not use the project's. */
async function credential(path: string): Promise<{ jwt: string; sign: (nonce: string) => string }> {
  const lines = (await readFile(path, "utf8")).split("\n");
  const after = (title: string) => lines[lines.findIndex((line) => line.includes(`BEGIN ${title}`)) + 1] ?? "";
  const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
  const bits = [...after("USER NKEY SEED")].map((c) => letters.indexOf(c).toString(2).padStart(5, "0")).join("");
  const bytes = Buffer.from((bits.match(/.{8}/g) ?? []).map((byte) => Number.parseInt(byte, 2)));
  const der = Buffer.concat([Buffer.from("302e020100300506032b657004220420", "hex"), bytes.subarray(2, 34)]);
  const key = createPrivateKey({ key: der, format: "der", type: "pkcs8" });
  return {
    jwt: after("NATS USER JWT"),
    sign: (nonce) => sign(null, Buffer.from(nonce), key).toString("base64url"),
  };
}
