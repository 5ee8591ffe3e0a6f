/** The door for readers on a real server: one build's readers without end keep no other build waiting. */
import { randomUUID } from "node:crypto";
import type { Msg } from "nats";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { openConsumerProxy } from "../../../lib/nats/jetstream/consumer-proxy.ts";
import { finalError } from "../../../lib/nats/jetstream/stream-errors.ts";
import type { ClientSubscriptions } from "../../../lib/nats/rpc/client-subscriptions.ts";
import { buildStream, GUEST_API_PREFIX, subjects } from "../../../lib/protocol/subjects.ts";
import { makeBuildStreams } from "../../support/nats/build-streams.ts";
import { startBus, type TestBus } from "../../support/nats/nats.ts";
import { Seen } from "../../support/seen.ts";

const test = suite<{ bus: TestBus; door: ClientSubscriptions }>("reader door");

/** Far more than one build may have under way; nats-server answers nobody for half a minute when it keeps them all. */
const READERS = 20_000;
/** Of what comes through one opening of the door, nearly all is more than may be under way. */
const TOO_MANY = 500;
const ANSWER_MS = 5_000;

test.before(async (context) => {
  context.bus = await startBus();
  const core = await context.bus.core();
  context.door = openConsumerProxy(core);
  await core.flush();
});
test.after(({ bus }) => bus?.stop());

interface Refused {
  readonly code: number;
  readonly err_code: number;
  readonly description: string;
}

const subject = (build: string, name: string): string =>
  `${GUEST_API_PREFIX}.CONSUMER.CREATE.${buildStream(build)}.${name}.${subjects.log(build)}`;
const body = (build: string): string => JSON.stringify({ stream_name: buildStream(build), config: {} });

/** The refusal, if it is one. */
const refusal = (reply: Msg): Refused | undefined => reply.json<{ error?: Refused }>().error;

test("whoever asks for readers without end is told to ask again later, and others get theirs meanwhile", async ({
  bus,
  door,
}) => {
  const [hers, evil] = [randomUUID(), randomUUID()];
  // As the queue does of a build that it has just been asked for.
  door.expect(buildStream(hers));
  await makeBuildStreams(await (await bus.core()).jetstreamManager(), hers);
  const [ada, mallory] = [await bus.build(hers, "caller"), await bus.build(evil, "caller")];
  const tooMuch: Refused[] = [];
  const seen = new Seen<number>();
  // One subject for all replies: the server keeps what it has not answered by that.
  const reply = `${mallory.inboxPrefix}.flood`;
  mallory.connection.subscribe(reply, {
    callback: (_, message) => {
      const refused = message.data.length === 0 ? undefined : refusal(message);
      if (refused?.code === 429) seen.add(tooMuch.push(refused));
    },
  });
  for (let n = 0; n < READERS; n++) mallory.connection.publish(subject(evil, `r${n}`), body(evil), { reply });
  const mine = await ada.connection.request(subject(hers, "hers"), body(hers), { timeout: ANSWER_MS });
  assert.is(refusal(mine), undefined);
  await seen.any((count) => count >= TOO_MANY);
  const [{ code, err_code, description } = { code: 0, err_code: 0, description: "" }] = tooMuch;
  assert.match(description, /more readers at once than one build may have: ask again/);
  assert.is(finalError("s", { code: err_code, status: code, text: description }), undefined, "a reader asks again");
});

test.run();
