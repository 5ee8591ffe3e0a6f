/** Principals, each heard through a door of its own, over a real import: who asks without end is cut off by NATS, and nobody else. */
import { type Msg, type NatsConnection, NatsError } from "nats";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { readCreds } from "../../../lib/nats/credentials/creds.ts";
import { ClientSubscriptions } from "../../../lib/nats/rpc/client-subscriptions.ts";
import { principals, subjects } from "../../../lib/protocol/subjects.ts";
import { type Guest, startBus, type TestBus } from "../../support/nats/nats.ts";
import { rejection } from "../../support/rejection.ts";
import { Seen } from "../../support/seen.ts";
import { until } from "../../support/until.ts";

interface World {
  bus: TestBus;
  /** The queue's connection. */
  core: NatsConnection;
  doors: ClientSubscriptions;
  /** Who was heard. */
  heard: Seen<string>;
  tooMuch: Seen<string>;
}
const test = suite<World>("doors");

/** A share has room for 16,384 small questions at once. */
const SHARE = 16_384;
const OPENING = 1_024;
/** What NATS lets in beside the share, and what the time of the test adds to it. */
const OPENINGS = 4 * OPENING;
const ANSWER_MS = 5_000;
/** About the most that a user's credential lets through. */
const LARGE_BYTES = 4_000_000;

test.before.each(async (world) => {
  world.bus = await startBus();
  world.core = await world.bus.core({ maxReconnectAttempts: -1, reconnectTimeWait: 50 });
  [world.heard, world.tooMuch] = [new Seen(), new Seen()];
  const told = (seen: Seen<string>) => (message: Msg) => {
    seen.add(principals.users.of(message.subject) ?? "");
    message.respond(String(seen.all.length));
  };
  const { core: nc, heard, tooMuch } = world;
  world.doors = new ClientSubscriptions({
    nc,
    principals: principals.users,
    onMessage: told(heard),
    onExcess: told(tooMuch),
  });
  await world.core.flush();
});
test.after.each(async ({ bus }) => {
  await bus?.stop();
});

const ask = (nc: NatsConnection, user: string, timeoutMs = ANSWER_MS): Promise<Msg> =>
  nc.request(subjects.queue("builds", user), "?", { timeout: timeoutMs });

/** A flush that the loss of the connection overtakes fails. */
const isThere = (nc: NatsConnection): Promise<boolean> =>
  nc.flush().then(
    () => true,
    () => false,
  );

/**
 * All with one reply subject, which is what costs the server most. Resolves when the server has them, with how many answers have
 * come by now.
 */
async function flood({ connection, inboxPrefix }: Guest, user: string, messages: number): Promise<() => number> {
  const reply = `${inboxPrefix}.flood`;
  const answers = connection.subscribe(reply, { callback: () => undefined });
  for (let n = 0; n < messages; n++) connection.publish(subjects.queue("builds", user), "?", { reply });
  await connection.flush();
  return () => answers.getReceived();
}

interface Subscribed {
  readonly subject: string;
  readonly max?: number;
}
interface Connections {
  readonly data: { readonly connections: readonly { readonly subscriptions_list_detail?: readonly Subscribed[] }[] };
}

/** How many messages the server will send at most to each subscription for questions. */
async function mostMessages(bus: TestBus): Promise<string[]> {
  const { jwt, key } = await readCreds(bus.installation.files.sysCreds, Date.now());
  const { connection } = await bus.connect(jwt, key);
  const body = JSON.stringify({ subscriptions_detail: true });
  const reply = await connection.request("$SYS.REQ.SERVER.PING.CONNZ", body, { timeout: ANSWER_MS });
  const { connections } = reply.json<Connections>().data;
  const all = connections.flatMap(({ subscriptions_list_detail: list = [] }) => list);
  return all.flatMap(({ subject, max }) => (subject.startsWith("queue.") ? [`${subject} ${max}`] : []));
}

test("every question of one who was never heard before is heard once", async ({ bus, heard, tooMuch }) => {
  const { connection } = await bus.user("ada");
  const answers = [await ask(connection, "ada"), await ask(connection, "ada")];
  const burst = await Promise.all(Array.from({ length: 300 }, () => ask(connection, "ada")));
  answers.push(...burst, await ask(connection, "ada"));
  assert.is(heard.all.length, answers.length);
  assert.equal(
    answers.map((answer) => Number(answer.string())).toSorted((a, b) => a - b),
    answers.map((_, n) => n + 1),
  );
  assert.is(tooMuch.all.length, 0);
});

test("who asks without end is heard for its share, then refused by NATS, and again for what the share has got since", async ({
  bus,
  core,
  heard,
  tooMuch,
}) => {
  const mallory = await bus.user("mallory");
  const answers = await flood(mallory, "mallory", 100_000);
  await core.flush();
  const [first, refused] = [heard.all.length, tooMuch.all.length];
  // NATS refuses some meanwhile, too: what comes faster than the queue opens.
  assert.ok(first >= OPENING && first <= SHARE + OPENINGS, `${first} were heard`);
  assert.ok(refused <= 2 * OPENINGS, `${refused} came in beyond the share`);
  // What is not answered the server keeps. Since 2.10 it answers itself for a door that is shut, so that all have an answer.
  const all = core.info?.version.startsWith("2.9.") ? first + refused : 100_000;
  await until("all that came is answered", () => answers() >= all);
  // The reply to a shut door comes from the strangers', or from NATS, or not at all.
  await until("it is heard again", async () => {
    await ask(mallory.connection, "mallory", 500).catch(() => undefined);
    return heard.all.length > first;
  });
});

test("large messages without end shut the door at once, before as many have come as it lets in", async ({
  bus,
  core,
  tooMuch,
}) => {
  const mallory = await bus.user("mallory");
  await ask(mallory.connection, "mallory");
  const large = Buffer.alloc(LARGE_BYTES);
  const { inBytes } = core.stats();
  for (let n = 0; n < 100; n++) {
    mallory.connection.publish(subjects.queue("builds", "mallory"), large);
    await mallory.connection.flush();
  }
  await core.flush();
  const came = core.stats().inBytes - inBytes;
  // A share of 16 MiB and everybody's of 64, what the test's time adds to them, and what was on its way.
  assert.ok(came < 100 * LARGE_BYTES, `${came} bytes came`);
  assert.ok(tooMuch.all.length > 0);
});

test("who was expected is heard at once beside a flood that lets no stranger in", async ({
  bus,
  core,
  doors,
  heard,
}) => {
  doors.expect("ada");
  const [mallory, ada] = [await bus.user("mallory"), await bus.user("ada")];
  await core.flush();
  let flooding = true;
  const flooded = flood(mallory, "mallory", 200_000).finally(() => {
    flooding = false;
  });
  await heard.any((principal) => principal === "mallory");
  let asked = 0;
  while (flooding) {
    await ask(ada.connection, "ada");
    asked += 1;
  }
  await flooded;
  assert.is(heard.all.filter((principal) => principal === "ada").length, asked);
});

test("after NATS was started again everybody is heard, and the server knows again how many messages it may send", async ({
  bus,
  core,
}) => {
  const [mallory, ada] = [
    await bus.user("mallory", { maxReconnectAttempts: -1, reconnectTimeWait: 50 }),
    await bus.user("ada", { maxReconnectAttempts: -1, reconnectTimeWait: 50 }),
  ];
  await ask(ada.connection, "ada");
  await ask(mallory.connection, "mallory");
  await bus.restart();
  for (const nc of [core, mallory.connection, ada.connection]) await until("it is back", () => isThere(nc));
  const most = await mostMessages(bus);
  assert.equal(
    most.toSorted(),
    // With caution at first, whoever it is.
    ["queue.*.*", "queue.*.ada", "queue.*.mallory"].map((subject) => `${subject} 2`),
  );
  await ask(ada.connection, "ada");
});

test("more principals than there are doors are heard all the same: the one that was heard longest ago is a stranger again", async ({
  bus,
  core,
  doors,
  heard,
}) => {
  const { connection } = await bus.user("ada");
  await ask(connection, "ada");
  for (let n = 0; n < 16_384; n++) doors.expect(`user${n}`);
  await core.flush();
  await ask(connection, "ada");
  await ask(connection, "ada");
  assert.is(heard.all.length, 3);
});

test("close() hears what has been sent and nothing after it, whoever asks meanwhile and how much", async ({
  bus,
  core,
  doors,
  heard,
}) => {
  const [mallory, ada, eve] = [await bus.user("mallory"), await bus.user("ada"), await bus.user("eve")];
  await ask(ada.connection, "ada");
  const asked = Promise.all(Array.from({ length: 100 }, () => ask(ada.connection, "ada")));
  const unheard = rejection(ask(eve.connection, "eve", 500));
  await Promise.all([ada.connection.flush(), eve.connection.flush()]);
  // Enough that a door would be opened again for what comes while it is closed.
  const flooded = flood(mallory, "mallory", 10_000);
  await heard.next((principal) => principal === "mallory");
  await doors.close();
  await flooded;
  await asked;
  await unheard;
  assert.is(heard.all.filter((principal) => principal === "ada").length, 101);
  assert.equal(await mostMessages(bus), []);
  assert.instance(await rejection(ask(ada.connection, "ada", 500)), NatsError);
  await core.drain();
});

test.run();
