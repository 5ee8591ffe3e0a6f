/** The door for readers on a real server: one build's readers without end keep no other build waiting. */
import { randomUUID } from "node:crypto";
import type { NatsConnection } from "nats";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { openReaderDoor } from "../../lib/auth/reader-door.ts";
import { buildStream, GUEST_API_PREFIX, subjects } from "../../lib/bus/names.ts";
import { finalError } from "../../lib/bus/stream-errors.ts";
import { makeBuildStreams } from "../support/build-streams.ts";
import { startBus, type TestBus } from "../support/nats.ts";

const test = suite<{ bus: TestBus }>("reader door");

/** Far more than one build may have under way, and no more than a server on a busy machine passes on in a second. */
const READERS = 2_000;
const ANSWER_MS = 30_000;

test.before(async (context) => {
  context.bus = await startBus();
  openReaderDoor(await context.bus.core());
});
test.after(({ bus }) => bus?.stop());

interface Refused {
  readonly code: number;
  readonly err_code: number;
  readonly description: string;
}

/** The refusal, if it is one. */
async function ask(nc: NatsConnection, build: string, name: string): Promise<Refused | undefined> {
  const stream = buildStream(build);
  const subject = `${GUEST_API_PREFIX}.CONSUMER.CREATE.${stream}.${name}.${subjects.log(build)}`;
  const body = JSON.stringify({ stream_name: stream, config: {} });
  const reply = await nc.request(subject, body, { timeout: ANSWER_MS });
  return reply.json<{ error?: Refused }>().error;
}

test("whoever asks for readers without end is told to ask again later, and others get theirs meanwhile", async ({
  bus,
}) => {
  const [hers, evil] = [randomUUID(), randomUUID()];
  await makeBuildStreams(await (await bus.core()).jetstreamManager(), hers);
  const [ada, mallory] = [await bus.build(hers, "caller"), await bus.build(evil, "caller")];
  const flood = Promise.all(Array.from({ length: READERS }, (_, n) => ask(mallory.connection, evil, `r${n}`)));
  assert.is(await ask(ada.connection, hers, "hers"), undefined);
  const tooMuch = (await flood).flatMap((refused) => (refused?.code === 429 ? [refused] : []));
  assert.ok(tooMuch.length > READERS / 4, `${tooMuch.length} were too much`);
  const [{ code, err_code, description } = { code: 0, err_code: 0, description: "" }] = tooMuch;
  assert.match(description, /more readers at once than one build may have: ask again/);
  assert.is(finalError("s", { code: err_code, status: code, text: description }), undefined, "a reader asks again");
});

test.run();
