/** stopWhenCaughtUp() while the consumer is being created. */
import type { Msg, NatsConnection } from "nats";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { StreamReader } from "../../../lib/nats/jetstream/reader.ts";
import { type PlainNats, startPlainNats } from "../../support/nats/plain-nats.ts";

const test = suite<{ server: PlainNats; nc: NatsConnection }>("reader count");

test.before(async (context) => {
  context.server = await startPlainNats();
  context.nc = await context.server.connect("core");
});
test.after(async ({ server }) => {
  await server?.stop();
});

/** JetStream's API under another prefix; the reply to each created consumer is held back until `release`. */
function slowApi(nc: NatsConnection) {
  const created: (() => void)[] = [];
  let notifyCreated: () => void = () => undefined;
  const firstCreated = new Promise<void>((resolve) => {
    notifyCreated = resolve;
  });
  let isHeld = true;
  const forward = async (message: Msg) => {
    const subject = message.subject.replace("SLOW.API", "$JS.API");
    if (!subject.includes("CONSUMER.CREATE")) return nc.publish(subject, message.data, { reply: message.reply ?? "" });
    const reply = await nc.request(subject, message.data);
    if (!isHeld) return message.respond(reply.data);
    created.push(() => message.respond(reply.data));
    notifyCreated();
  };
  nc.subscribe("SLOW.API.>", { callback: (_error, message) => void forward(message) });
  const release = () => {
    isHeld = false;
    for (const respond of created) respond();
  };
  return { firstCreated, release };
}

test("stopWhenCaughtUp() counts the messages stored before the call, also while the consumer is being created", async ({
  nc,
}) => {
  const manager = await nc.jetstreamManager();
  await manager.streams.add({ name: "late", subjects: ["late.x"] });
  const { firstCreated, release } = slowApi(nc);
  const reader = new StreamReader(
    { nc, apiPrefix: "SLOW.API", inboxPrefix: "_INBOX.core" },
    { stream: "late", filter: "late.x" },
  );
  const received: number[] = [];
  const reading = (async () => {
    for await (const { seq } of reader) received.push(seq);
  })();
  // The consumer exists and has counted no message; its reply is held back.
  await firstCreated;
  for (let n = 0; n < 3; n++) await nc.jetstream().publish("late.x", "chunk");
  reader.stopWhenCaughtUp();
  release();
  await reading;
  assert.equal(received, [1, 2, 3]);
});

test.run();
