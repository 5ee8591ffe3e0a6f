/** A server for each test of readers, publishers and transfers, with the stream of one build. */
import type { JetStreamManager } from "nats";
import type { Test } from "uvu";
import type { JetStreamAccess } from "../../../lib/nats/jetstream/api.ts";
import { Publisher, type PublisherOptions } from "../../../lib/nats/jetstream/publisher.ts";
import { StreamReader } from "../../../lib/nats/jetstream/reader.ts";
import { GUEST_API_PREFIX } from "../../../lib/protocol/subjects.ts";
import { type CuttingProxy, startCuttingProxy } from "./cutting-proxy.ts";
import { type PlainNats, startPlainNats } from "./plain-nats.ts";

export const STREAM = "build-b1";
export const LOG = "build.b1.log";
export const STATE = "build.b1.state";

export interface ServerWorld {
  nats: PlainNats;
  core: JetStreamAccess;
  guest: JetStreamAccess;
  jsm: JetStreamManager;
}

/** Starts a server before each test and stops it after; the tests find it in their context. */
export function onServer<T extends ServerWorld>(test: Test<T>): void {
  test.before.each(async (world) => {
    world.nats = await startPlainNats();
    const core = await world.nats.connect("core");
    const guest = await world.nats.connect("guest");
    world.core = { nc: core, apiPrefix: "$JS.API", inboxPrefix: "_INBOX.core" };
    world.guest = { nc: guest, apiPrefix: GUEST_API_PREFIX, inboxPrefix: "_INBOX.guest" };
    world.jsm = await core.jetstreamManager();
  });
  test.after.each(async (world) => {
    await world.nats?.stop();
  });
}

export async function addStream({ jsm }: ServerWorld, more: Record<string, unknown> = {}): Promise<void> {
  const bounds = { max_bytes: 256 * 1024 * 1024, allow_rollup_hdrs: false };
  await jsm.streams.add({ name: STREAM, subjects: [LOG, STATE], ...bounds, ...more });
}

export function publisherOn(js: JetStreamAccess, more: Partial<PublisherOptions> = {}): Publisher {
  return new Publisher(js, { stream: STREAM, ...more });
}

/** `line <from>` up to, and not including, `line <to>`. */
export const numbered = (from: number, to: number): Buffer[] =>
  Array.from({ length: to - from }, (_, i) => Buffer.from(`line ${from + i}\n`));

/** 1 up to and including `last`: the sequences of a stream that was read completely. */
export const sequences = (last: number): number[] => Array.from({ length: last }, (_, i) => i + 1);

export async function publishAll(publisher: Publisher, lines: readonly Buffer[]): Promise<void> {
  for (const line of lines) await publisher.publish(LOG, line);
}

interface Stored {
  readonly data: Buffer;
  readonly seqs: readonly number[];
  readonly messages: readonly Buffer[];
}

/** Everything stored up to now, in order. */
export async function stored(js: JetStreamAccess, filter = LOG): Promise<Stored> {
  const reader = new StreamReader(js, { stream: STREAM, filter });
  reader.stopWhenCaughtUp();
  const messages: Buffer[] = [];
  const seqs: number[] = [];
  for await (const message of reader) {
    messages.push(Buffer.from(message.data));
    seqs.push(message.seq);
  }
  return { data: Buffer.concat(messages), seqs, messages };
}

/** Runs `use` with a guest's connection through a proxy that can break it. */
export async function throughProxy(
  { nats, guest }: ServerWorld,
  use: (proxy: CuttingProxy, js: JetStreamAccess) => Promise<void>,
): Promise<void> {
  const proxy = await startCuttingProxy(nats.port);
  try {
    const nc = await nats.connect("guest", { servers: `127.0.0.1:${proxy.port}` });
    await use(proxy, { ...guest, nc });
    await nc.close();
  } finally {
    await proxy.stop();
  }
}

/** Deletes all consumers, as a server that lost them. */
export async function deleteConsumers({ jsm }: ServerWorld): Promise<void> {
  for await (const consumer of jsm.consumers.list(STREAM)) await jsm.consumers.delete(STREAM, consumer.name);
}

export async function consumerCount({ jsm }: ServerWorld, stream = STREAM): Promise<number> {
  return (await jsm.streams.info(stream)).state.consumer_count;
}

/** Pull requests of the stream's only consumer that wait on the server; undefined while there is no consumer. */
export async function waitingPulls({ jsm }: ServerWorld, stream: string): Promise<number | undefined> {
  const [consumer] = await jsm.consumers.list(stream).next();
  return consumer?.num_waiting;
}
