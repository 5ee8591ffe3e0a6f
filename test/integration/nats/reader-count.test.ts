/** The end of a reading that is set while its consumer is being made. */
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

/** JetStream's API under another name, where each new consumer's answer waits for `release`. */
function slowApi(nc: NatsConnection) {
  const created: (() => void)[] = [];
  let tellCreated: () => void = () => undefined;
  const firstCreated = new Promise<void>((resolve) => {
    tellCreated = resolve;
  });
  let slow = true;
  const forward = async (message: Msg) => {
    const subject = message.subject.replace("SLOW.API", "$JS.API");
    if (!subject.includes("CONSUMER.CREATE")) return nc.publish(subject, message.data, { reply: message.reply ?? "" });
    const answer = await nc.request(subject, message.data);
    if (!slow) return message.respond(answer.data);
    created.push(() => message.respond(answer.data));
    tellCreated();
  };
  nc.subscribe("SLOW.API.>", { callback: (_error, message) => void forward(message) });
  const release = () => {
    slow = false;
    for (const answer of created) answer();
  };
  return { firstCreated, release };
}

test("stopWhenCaughtUp() counts what was stored before the call, also while the consumer is being made", async ({
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
  // The consumer exists and has counted nothing; its answer is on its way.
  await firstCreated;
  for (let n = 0; n < 3; n++) await nc.jetstream().publish("late.x", "chunk");
  reader.stopWhenCaughtUp();
  release();
  await reading;
  assert.equal(received, [1, 2, 3]);
});

test.run();
