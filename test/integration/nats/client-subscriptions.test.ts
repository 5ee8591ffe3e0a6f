/** ClientSubscriptions over a real service import: each principal has its own subscription, and NATS ends that of a flood. */
import { type Msg, type NatsConnection, NatsError } from "nats";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { readCreds } from "../../../lib/nats/credentials/creds.ts";
import { ClientSubscriptions } from "../../../lib/nats/rpc/client-subscriptions.ts";
import { principals, subjects } from "../../../lib/protocol/subjects.ts";
import { type Guest, startTestNats, type TestNats } from "../../support/nats/nats.ts";
import { Recorder } from "../../support/recorder.ts";
import { later, rejection } from "../../support/rejection.ts";
import { until } from "../../support/until.ts";

interface World {
  nats: TestNats;
  /** The queue's connection. */
  core: NatsConnection;
  subscriptions: ClientSubscriptions;
  /** The principal of each message within its rate limit. */
  received: Recorder<string>;
  /** The principal of each message beyond it. */
  refused: Recorder<string>;
}
const test = suite<World>("ClientSubscriptions");

/** As many small requests at once are within the rate limit of a principal: 16 MiB of 1 KiB each. */
const BURST = 16_384;
/** The message limit of one NATS subscription. */
const MESSAGE_LIMIT = 1_024;
/** So many small requests a second refill the bucket. */
const REQUESTS_PER_S = 1_024;
/** NATS may deliver so many messages in addition, because they are in flight. */
const MARGIN = 2 * MESSAGE_LIMIT;
/** Subscriptions at once. */
const SUBSCRIPTIONS_MAX = 16_384;
/** A client retries for 20 s. Under full load on two cores one reply during a flood took more than 5 s. */
const REPLY_MS = 15_000;
/** nats-server 2.9 sends no "no responders" through an import, so a request without a subscription ends with this timeout. */
const NO_REPLY_MS = 500;
/** Just below the payload limit of a user's credential. */
const LARGE_BYTES = 4_000_000;
const LARGE_MESSAGES = 100;
/** The bursts of a principal and of the catch-all, and their refill in a second. */
const LARGE_BURST_BYTES = (16 + 64) * 1024 * 1024;
const LARGE_BYTES_PER_S = (1 + 16) * 1024 * 1024;
/** A renewal waits until the bucket holds one large message, and its cautious message limit is two. */
const LARGE_PER_RENEWAL = 2;
/** Large messages that arrive while the first UNSUB of each subscription is on its way. */
const LARGE_IN_FLIGHT = 8;

test.before.each(async (world) => {
  world.nats = await startTestNats();
  world.core = await world.nats.core({ maxReconnectAttempts: -1, reconnectTimeWait: 50 });
  [world.received, world.refused] = [new Recorder(), new Recorder()];
  const replyWithCount = (seen: Recorder<string>) => (message: Msg) => {
    seen.add(principals.users.of(message.subject) ?? "");
    message.respond(String(seen.all.length));
  };
  world.subscriptions = new ClientSubscriptions({
    nc: world.core,
    principals: principals.users,
    onMessage: replyWithCount(world.received),
    onExcess: replyWithCount(world.refused),
  });
  await world.core.flush();
});
test.after.each(async ({ nats }) => {
  await nats?.stop();
});

const request = (nc: NatsConnection, user: string, timeoutMs = REPLY_MS): Promise<Msg> =>
  nc.request(subjects.queue("builds", user), "?", { timeout: timeoutMs });

const countOf = (seen: Recorder<string>, user: string): number => seen.all.filter((one) => one === user).length;

/** False when the connection is lost before the pong. */
const isConnected = (nc: NatsConnection): Promise<boolean> =>
  nc.flush().then(
    () => true,
    () => false,
  );

/**
 * Publishes requests that all have the same reply subject, the most expensive case for the server. Resolves when the server has
 * them, with a function that returns the number of replies so far.
 */
async function flood({ connection, inboxPrefix }: Guest, user: string, messages: number): Promise<() => number> {
  const reply = `${inboxPrefix}.flood`;
  const replies = connection.subscribe(reply, { callback: () => undefined });
  for (let n = 0; n < messages; n++) connection.publish(subjects.queue("builds", user), "?", { reply });
  await connection.flush();
  return () => replies.getReceived();
}

/** The fields of CONNZ that these tests read. */
interface ConnectionInfo {
  /** The number of its subscriptions. */
  readonly subscriptions: number;
  readonly subscriptions_list_detail?: readonly { readonly subject: string; readonly max?: number }[];
}

async function connectionInfos(nats: TestNats, options: object): Promise<readonly ConnectionInfo[]> {
  const { jwt, key } = await readCreds(nats.installation.files.sysCreds, Date.now());
  const { connection } = await nats.connect(jwt, key);
  const subject = "$SYS.REQ.SERVER.PING.CONNZ";
  const reply = await connection.request(subject, JSON.stringify(options), { timeout: REPLY_MS });
  await connection.close();
  return reply.json<{ data: { connections: readonly ConnectionInfo[] } }>().data.connections;
}

/** The server's message limit of each subscription to requests: `<subject> <limit>`. */
async function messageLimits(nats: TestNats): Promise<string[]> {
  const infos = await connectionInfos(nats, { subscriptions_detail: true });
  const all = infos.flatMap(({ subscriptions_list_detail: list = [] }) => list);
  return all.flatMap(({ subject, max }) => (subject.startsWith("queue.") ? [`${subject} ${max}`] : []));
}

/** The number of subscriptions of the connection that has the most, which is the queue's. */
const subscriptionCount = async (nats: TestNats): Promise<number> =>
  Math.max(...(await connectionInfos(nats, {})).map(({ subscriptions }) => subscriptions));

test("each request of a principal without its own subscription is received exactly once", async ({
  nats,
  received,
  refused,
}) => {
  const { connection } = await nats.user("ada");
  const replies = [await request(connection, "ada"), await request(connection, "ada")];
  const burst = await Promise.all(Array.from({ length: 300 }, () => request(connection, "ada")));
  replies.push(...burst, await request(connection, "ada"));
  assert.is(received.all.length, replies.length);
  assert.equal(
    replies.map((reply) => Number(reply.string())).toSorted((a, b) => a - b),
    replies.map((_, n) => n + 1),
  );
  assert.is(refused.all.length, 0);
});

test("a flood is received up to the rate limit, NATS refuses the rest, and the principal is received again", async ({
  nats,
  core,
  received,
  refused,
}) => {
  const messages = 100_000;
  const beginMs = performance.now();
  const mallory = await nats.user("mallory");
  const replies = await flood(mallory, "mallory", messages);
  await core.flush();
  const [within, beyond] = [received.all.length, refused.all.length];
  const refill = ((performance.now() - beginMs) / 1000) * REQUESTS_PER_S;
  // NATS may refuse some messages within the rate limit too: those that arrive between two renewals.
  assert.ok(within >= MESSAGE_LIMIT && within <= BURST + refill + MARGIN, `${within} were received`);
  assert.ok(beyond <= 4 * MARGIN, `${beyond} beyond the rate limit were received`);
  // Since 2.10 the server itself replies to a request without a subscription, so each request has a reply.
  const expected = core.info?.version.startsWith("2.9.") ? within + beyond : messages;
  await until("every received request has a reply", () => replies() >= expected);
  await until("mallory is received again", async () => {
    await rejection(request(mallory.connection, "mallory", NO_REPLY_MS));
    return received.all.length > within;
  });
});

test("large messages beyond the rate limit end the subscription long before its message limit", async ({
  nats,
  core,
  refused,
}) => {
  const mallory = await nats.user("mallory");
  await request(mallory.connection, "mallory");
  assert.ok((await messageLimits(nats)).includes(`queue.*.mallory ${MESSAGE_LIMIT}`));
  const large = Buffer.alloc(LARGE_BYTES);
  const before = core.stats().inBytes;
  const beginMs = performance.now();
  for (let n = 0; n < LARGE_MESSAGES; n++) {
    mallory.connection.publish(subjects.queue("builds", "mallory"), large);
    await mallory.connection.flush();
  }
  await core.flush();
  const receivedBytes = core.stats().inBytes - before;
  const refillBytes = ((performance.now() - beginMs) / 1000) * LARGE_BYTES_PER_S;
  const boundBytes = LARGE_BURST_BYTES + LARGE_PER_RENEWAL * refillBytes + LARGE_IN_FLIGHT * LARGE_BYTES;
  assert.ok(receivedBytes < boundBytes, `${receivedBytes} bytes were received, of ${boundBytes} at most`);
  assert.ok(refused.all.length > 0);
  const limits = await messageLimits(nats);
  assert.not(limits.includes(`queue.*.mallory ${MESSAGE_LIMIT}`), limits.join());
});

test("the first request of each expected principal is received during a flood from another", async ({
  nats,
  core,
  subscriptions,
  received,
}) => {
  const names = Array.from({ length: 20 }, (_, n) => `ada${n}`);
  for (const name of names) subscriptions.expect(name);
  const mallory = await nats.user("mallory");
  const users = await Promise.all(names.map(async (name) => ({ name, guest: await nats.user(name) })));
  await core.flush();
  const flooded = later(flood(mallory, "mallory", 200_000));
  await received.any((principal) => principal === "mallory");
  for (const { name, guest } of users) await request(guest.connection, name);
  await flooded;
  assert.equal(
    names.map((name) => countOf(received, name)),
    names.map(() => 1),
  );
});

test("after NATS was restarted each principal is received, and its subscription has the cautious message limit", async ({
  nats,
  core,
}) => {
  const reconnecting = { maxReconnectAttempts: -1, reconnectTimeWait: 50 };
  const [mallory, ada] = [await nats.user("mallory", reconnecting), await nats.user("ada", reconnecting)];
  await request(ada.connection, "ada");
  await request(mallory.connection, "mallory");
  await nats.restart();
  for (const nc of [core, mallory.connection, ada.connection]) await until("it is back", () => isConnected(nc));
  const limits = await messageLimits(nats);
  assert.equal(
    limits.toSorted(),
    ["queue.*.*", "queue.*.ada", "queue.*.mallory"].map((subject) => `${subject} 2`),
  );
  await request(ada.connection, "ada");
  await request(mallory.connection, "mallory");
});

test("beyond the maximum of subscriptions a principal loses its own, and is received all the same", async ({
  nats,
  core,
  subscriptions,
  received,
}) => {
  const { connection } = await nats.user("ada");
  await request(connection, "ada");
  const before = await subscriptionCount(nats);
  for (let n = 0; n < SUBSCRIPTIONS_MAX; n++) subscriptions.expect(`user${n}`);
  await core.flush();
  assert.is(await subscriptionCount(nats), before + SUBSCRIPTIONS_MAX - 1);
  await request(connection, "ada");
  await request(connection, "ada");
  assert.is(countOf(received, "ada"), 3);
});

test("close() receives every request sent before it and none after it, during a flood", async ({
  nats,
  core,
  subscriptions,
  received,
}) => {
  const [mallory, ada, eve] = [await nats.user("mallory"), await nats.user("ada"), await nats.user("eve")];
  await request(ada.connection, "ada");
  const hundred = Array.from({ length: 100 }, () => request(ada.connection, "ada"));
  const sent = later(Promise.all([...hundred, request(eve.connection, "eve")]));
  await Promise.all([ada.connection.flush(), eve.connection.flush()]);
  // Enough to cause renewals while the subscriptions are closed.
  const flooded = later(flood(mallory, "mallory", 10_000));
  await received.next((principal) => principal === "mallory");
  await subscriptions.close();
  await flooded;
  await sent;
  assert.equal([countOf(received, "ada"), countOf(received, "eve")], [101, 1]);
  assert.equal(await messageLimits(nats), []);
  assert.instance(await rejection(request(ada.connection, "ada", NO_REPLY_MS)), NatsError);
  await core.drain();
});

test.run();
