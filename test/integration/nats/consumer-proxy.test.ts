/** The consumer proxy on a real server: a flood of requests for one build does not delay another build's reader. */
import { randomUUID } from "node:crypto";
import type { Msg } from "nats";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { openConsumerProxy } from "../../../lib/nats/jetstream/consumer-proxy.ts";
import { finalError } from "../../../lib/nats/jetstream/stream-errors.ts";
import type { ClientSubscriptions } from "../../../lib/nats/rpc/client-subscriptions.ts";
import { buildStream, GUEST_API_PREFIX, subjects } from "../../../lib/protocol/subjects.ts";
import { makeBuildStreams } from "../../support/nats/build-streams.ts";
import { startTestNats, type TestNats } from "../../support/nats/nats.ts";
import { Recorder } from "../../support/recorder.ts";

const test = suite<{ nats: TestNats; proxy: ClientSubscriptions }>("consumer proxy");

/** Far more than may be in flight for one build. If nats-server kept them all, it would send no reply for half a minute. */
const REQUESTS = 20_000;
/** About half of the message limit of a subscription (1024). Only 16 requests may be in flight, so most of them are refused. */
const REFUSED_MIN = 500;
const REPLY_MS = 5_000;

test.before(async (context) => {
  context.nats = await startTestNats();
  const core = await context.nats.core();
  context.proxy = openConsumerProxy(core);
  await core.flush();
});
test.after(({ nats }) => nats?.stop());

interface Refused {
  readonly code: number;
  readonly err_code: number;
  readonly description: string;
}

const subject = (build: string, name: string): string =>
  `${GUEST_API_PREFIX}.CONSUMER.CREATE.${buildStream(build)}.${name}.${subjects.log(build)}`;
const body = (build: string): string => JSON.stringify({ stream_name: buildStream(build), config: {} });

/** The error of a refusal; undefined for another reply. */
const refusal = (reply: Msg): Refused | undefined => reply.json<{ error?: Refused }>().error;

test("a flood of requests for one build is refused with a hint to retry, and another build's reader is created meanwhile", async ({
  nats,
  proxy,
}) => {
  const [hers, evil] = [randomUUID(), randomUUID()];
  // The queue does this for each new build.
  proxy.expect(buildStream(hers));
  await makeBuildStreams(await (await nats.core()).jetstreamManager(), hers);
  const [ada, mallory] = [await nats.build(hers, "caller"), await nats.build(evil, "caller")];
  const refusals: Refused[] = [];
  const seen = new Recorder<number>();
  // One reply subject for all: the server keeps requests without a reply in a list by reply subject.
  const reply = `${mallory.inboxPrefix}.flood`;
  mallory.connection.subscribe(reply, {
    callback: (_, message) => {
      const refused = message.data.length === 0 ? undefined : refusal(message);
      if (refused?.code === 429) seen.add(refusals.push(refused));
    },
  });
  for (let n = 0; n < REQUESTS; n++) mallory.connection.publish(subject(evil, `r${n}`), body(evil), { reply });
  const created = await ada.connection.request(subject(hers, "hers"), body(hers), { timeout: REPLY_MS });
  assert.is(refusal(created), undefined);
  await seen.any((count) => count >= REFUSED_MIN);
  const [{ code, err_code, description } = { code: 0, err_code: 0, description: "" }] = refusals;
  assert.match(description, /too many requests for readers of this build at once: retry/);
  assert.is(finalError("s", { code: err_code, status: code, text: description }), undefined, "a reader retries");
});

test.run();
