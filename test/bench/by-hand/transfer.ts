/**
 * A benchmark, not a test: prints the rates of objects and log lines, of this project and of the standard client on one server. The
 * ratios are comparable between machines, the absolute numbers are not. `npx tsx test/bench/by-hand/transfer.ts [MiB]`
 */
import { randomBytes } from "node:crypto";
import type { NatsConnection } from "nats";
import type { JetStreamAccess } from "../../../lib/nats/jetstream/api.ts";
import { Publisher } from "../../../lib/nats/jetstream/publisher.ts";
import { StreamReader } from "../../../lib/nats/jetstream/reader.ts";
import { GUEST_API_PREFIX } from "../../../lib/protocol/subjects.ts";
import { getObject } from "../../../lib/transfer/get.ts";
import { LogWriter } from "../../../lib/transfer/log-writer.ts";
import { putObject } from "../../../lib/transfer/put.ts";
import { startPlainNats } from "../../support/nats/plain-nats.ts";

const MIB = 1024 * 1024;
const sizeMib = Number(process.argv[2] ?? 256);
const LINES = 200_000;

async function rate(name: string, amount: number, unit: string, work: () => Promise<unknown>): Promise<void> {
  const startMs = performance.now();
  await work();
  const perSecond = amount / ((performance.now() - startMs) / 1000);
  console.log(`${name.padEnd(34)} ${Math.round(perSecond).toLocaleString("en").padStart(10)} ${unit}/s`);
}

async function* blocks(block: Uint8Array): AsyncGenerator<Uint8Array> {
  for (let i = 0; i < sizeMib; i += 1) yield block;
}

async function objects(core: NatsConnection, accesses: Record<string, JetStreamAccess>): Promise<void> {
  const block = randomBytes(MIB);
  const bucket = "build-b1";
  const standard = await core.jetstream().views.os(bucket);
  for (const [account, js] of Object.entries(accesses)) {
    const name = `of-${account}`;
    await rate(`put, own client, ${account}`, sizeMib, "MiB", () => putObject(js, blocks(block), { bucket, name }));
    await rate(`get, own client, ${account}`, sizeMib, "MiB", async () => {
      for await (const _ of getObject(js, { bucket, name }));
    });
  }
  const readable = ReadableStream.from(blocks(block));
  await rate("put, standard client, core", sizeMib, "MiB", () =>
    standard.put({ name: "standard" }, readable, { timeout: 60_000 }),
  );
  await rate("get, standard client, core", sizeMib, "MiB", async () => {
    const result = await standard.get("standard");
    for await (const _ of result?.data ?? []);
  });
}

async function lines(core: NatsConnection, accesses: Record<string, JetStreamAccess>): Promise<void> {
  const line = Buffer.from(`${"x".repeat(79)}\n`);
  const subject = "build.b1.log";
  const jsm = await core.jetstreamManager();
  const stream = "build-b1";
  for (const [account, js] of Object.entries(accesses)) {
    await jsm.streams.purge(stream);
    await rate(`lines through LogWriter, ${account}`, LINES, "lines", async () => {
      const publisher = new Publisher(js, { stream });
      const writer = new LogWriter(publisher, { subject, maxBytes: 1024 * MIB });
      for (let i = 0; i < LINES; i += 1) await writer.write(line);
      await writer.end();
      publisher.close();
    });
    await rate(`lines read, ${account}`, LINES, "lines", async () => {
      const reader = new StreamReader(js, { stream, filter: subject });
      reader.stopWhenCaughtUp();
      for await (const _ of reader);
    });
    await rate(`messages through Publisher, ${account}`, LINES / 4, "msgs", async () => {
      const publisher = new Publisher(js, { stream });
      for (let i = 0; i < LINES / 4; i += 1) await publisher.publish(subject, line);
      await publisher.flush();
      publisher.close();
    });
  }
  await rate("messages, standard js.publish, core", 5_000, "msgs", async () => {
    const js = core.jetstream();
    for (let i = 0; i < 5_000; i += 1) await js.publish(subject, line);
  });
}

const nats = await startPlainNats();
try {
  const core = await nats.connect("core");
  const guest = await nats.connect("guest");
  const accesses = {
    core: { nc: core, apiPrefix: "$JS.API", inboxPrefix: "_INBOX.core" },
    guest: { nc: guest, apiPrefix: GUEST_API_PREFIX, inboxPrefix: "_INBOX.guest" },
  };
  const jsm = await core.jetstreamManager();
  await core.jetstream().views.os("build-b1", { max_bytes: 4 * sizeMib * MIB });
  await jsm.streams.add({ name: "build-b1", subjects: ["build.b1.log"], max_bytes: 512 * MIB });
  await objects(core, accesses);
  await lines(core, accesses);
  console.log(`peak memory of this process ${Math.round(process.resourceUsage().maxRSS / 1024)} MiB`);
} finally {
  await nats.stop();
}
