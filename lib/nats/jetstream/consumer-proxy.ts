/**
 * The door through which guests get consumers: the queue looks at the request and passes on one of its own making.
 *
 * A guest that may call JetStream's CONSUMER.CREATE may name any `deliver_subject`, and permissions do not see into
 * the request. nats-server then publishes the messages of the guest's stream, which hold whatever the guest put there, on that subject
 * within CORE: on 2.9.10 another build's log stream stored them. So guests import this door under the name of the
 * API call, and JetStream's call not at all. To a client it is the same call with the same answer.
 */
import type { Msg, NatsConnection } from "nats";
import * as v from "valibot";
import { buildOfStream, GUEST_READER_PREFIX, principals } from "../../protocol/subjects.ts";
import { ClientSubscriptions } from "../rpc/client-subscriptions.ts";

const MS_IN_NS = 1_000_000;
/** A reader that is gone for so long makes a new consumer; what is left behind counts against the stream's bound. */
const DEFAULT_INACTIVE_NS = 30_000 * MS_IN_NS;
const MAX_INACTIVE_NS = 300_000 * MS_IN_NS;
/** A reader has one pull outstanding, two while it renews it. */
const MAX_WAITING_PULLS = 16;
/** What nats.js sends is about 400 bytes. */
const MAX_REQUEST_BYTES = 4096;

/** A stream whose leader died has a new one after 4–7 s; the guest asks again. */
const JETSTREAM_TIMEOUT_MS = 5000;
/** Requests of one build under way at once: whoever follows it makes one at a time, which takes a millisecond or so. */
const MAX_ASKING = 16;

const CONSUMER_NAME = /^[A-Za-z0-9_-]{1,64}$/;
const FILTER = /^[A-Za-z0-9_$*.=-]{1,200}>?$/;

/** The fields of JetStream's request that a guest may choose; every other one is ours, but a foreign delivery is refused. */
const requestSchema = v.object({
  stream_name: v.string(),
  config: v.object({
    deliver_policy: v.optional(v.picklist(["all", "last", "new", "by_start_sequence", "last_per_subject"]), "all"),
    opt_start_seq: v.optional(v.pipe(v.number(), v.safeInteger(), v.minValue(1))),
    inactive_threshold: v.optional(v.pipe(v.number(), v.minValue(1)), DEFAULT_INACTIVE_NS),
    headers_only: v.optional(v.boolean()),
    deliver_subject: v.optional(v.literal("", "only pull consumers: deliver_subject is refused")),
  }),
});

export type ProxyDecision =
  | { readonly ok: true; readonly subject: string; readonly body: string }
  | { readonly ok: false; readonly error: string };

/**
 * What to ask of JetStream for a guest's request on `guest.reader.<stream>.<consumer>[.<filter>]`: a pull consumer in
 * memory, without acknowledgements, that goes away by itself. Only for streams of builds; whose build it is, the
 * guest's permissions have decided by the subject.
 */
export function consumerRequest(subject: string, body: Uint8Array): ProxyDecision {
  const [stream = "", name = "", ...rest] = subject.slice(GUEST_READER_PREFIX.length + 1).split(".");
  const filter = rest.join(".");
  if (buildOfStream(stream) === undefined) return refuse("not a stream of a build");
  if (!CONSUMER_NAME.test(name)) return refuse("not a consumer name");
  if (filter !== "" && !FILTER.test(filter)) return refuse("not a filter subject");
  const request = v.safeParse(requestSchema, json(body));
  if (!request.success) return refuse(v.summarize(request.issues).slice(0, 300));
  const { stream_name, config } = request.output;
  if (stream_name !== stream) return refuse("stream_name is not the stream of the subject");
  const consumer = {
    name,
    deliver_policy: config.deliver_policy,
    ...(config.opt_start_seq === undefined ? {} : { opt_start_seq: config.opt_start_seq }),
    ...(filter === "" ? {} : { filter_subject: filter }),
    ...(config.headers_only === true ? { headers_only: true } : {}),
    ack_policy: "none",
    replay_policy: "instant",
    max_waiting: MAX_WAITING_PULLS,
    inactive_threshold: Math.min(config.inactive_threshold, MAX_INACTIVE_NS),
    mem_storage: true,
    num_replicas: 1,
  };
  return {
    ok: true,
    subject: `$JS.API.CONSUMER.CREATE.${stream}.${name}${filter === "" ? "" : `.${filter}`}`,
    body: JSON.stringify({ stream_name, config: consumer }),
  };
}

/**
 * Serves the door on a connection in CORE until it is closed; each stream's readers come through a part of their own. The
 * queue's leader alone opens it: while there is none, existing readers read on and new ones ask again.
 */
export function openConsumerProxy(core: NatsConnection): ClientSubscriptions {
  const asking = new Map<string, number>();
  const pass = async (message: Msg, stream: string) => {
    const answer = consumerRequest(message.subject, message.data);
    if (!answer.ok) return message.respond(refusal(400, answer.error));
    asking.set(stream, (asking.get(stream) ?? 0) + 1);
    try {
      // A reply subject of the import cannot be handed on to JetStream's own import: nothing would come back.
      const made = await core.request(answer.subject, answer.body, { timeout: JETSTREAM_TIMEOUT_MS });
      return message.respond(made.data);
    } catch {
      return message.respond(UNANSWERED);
    } finally {
      const others = (asking.get(stream) ?? 0) - 1;
      if (others > 0) asking.set(stream, others);
      else asking.delete(stream);
    }
  };
  // Whoever makes readers without end is told so, and keeps nobody else waiting.
  const tooMuch = (message: Msg) => void message.respond(TOO_MUCH);
  return new ClientSubscriptions({
    nc: core,
    principals: principals.readers,
    onMessage: (message) => {
      // What came through the import has such a reply; anything else is no guest, or a forgery from within CORE.
      if (!message.reply?.startsWith("_R_.")) return;
      const stream = principals.readers.of(message.subject) ?? "";
      if ((asking.get(stream) ?? 0) >= MAX_ASKING) tooMuch(message);
      else void pass(message, stream);
    },
    onExcess: tooMuch,
  });
}

/** In the form of JetStream's own errors, so that every client shows it; those of 429 and 503 pass, and a reader asks again. */
function refusal(code: 400 | 429 | 503, description: string): string {
  const type = "io.nats.jetstream.api.v1.consumer_create_response";
  return JSON.stringify({ type, error: { code, err_code: 10012, description } });
}

const TOO_MUCH = refusal(429, "these are more readers at once than one build may have: ask again in some seconds");
const UNANSWERED = refusal(503, "JetStream did not answer: ask again");

function refuse(error: string): ProxyDecision {
  return { ok: false, error };
}

function json(body: Uint8Array): unknown {
  if (body.length > MAX_REQUEST_BYTES) return undefined;
  try {
    return JSON.parse(Buffer.from(body).toString());
  } catch {
    return undefined;
  }
}
