/**
 * The proxy for CONSUMER.CREATE: the queue checks a guest's request for a consumer and sends JetStream one that it builds itself.
 *
 * A guest that may call JetStream's CONSUMER.CREATE can set any `deliver_subject`, and NATS permissions do not cover the body of a
 * request. nats-server then publishes the messages of the guest's stream, with contents of the guest's choice, on that subject
 * within CORE: on 2.9.10 another build's log stream stored them. So GUEST imports this proxy under the name of the API call, and
 * does not import JetStream's own. For a client it is the same call with the same reply.
 */
import type { Msg, NatsConnection } from "nats";
import * as v from "valibot";
import { buildOfStream, GUEST_READER_PREFIX, principals } from "../../protocol/subjects.ts";
import { ClientSubscriptions } from "../rpc/client-subscriptions.ts";

/** JetStream counts durations in nanoseconds. */
const NS_PER_MS = 1_000_000;
/**
 * JetStream deletes a consumer that was not used for this long. A reader that was away longer creates a new one; until the old one
 * is deleted it counts against the stream's limit of consumers.
 */
const DEFAULT_INACTIVE_NS = 30_000 * NS_PER_MS;
const MAX_INACTIVE_NS = 300_000 * NS_PER_MS;
/** A reader has one pull request outstanding, or two while it renews it. */
const MAX_WAITING_PULLS = 16;
/** A request of nats.js has about 400 bytes. */
const REQUEST_MAX_BYTES = 4096;

/** A stream that lost its leader elects a new one within 4–7 s; the guest retries. */
const JETSTREAM_TIMEOUT_MS = 5000;
/** Requests in flight for one stream. A reader sends one at a time, and each takes about a millisecond. */
const IN_FLIGHT_MAX = 16;

const CONSUMER_NAME = /^[A-Za-z0-9_-]{1,64}$/;
const FILTER = /^[A-Za-z0-9_$*.=-]{1,200}>?$/;

/** The fields that a guest may set. `deliver_subject` is refused, and every other field of JetStream's request is ignored. */
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
 * The request to JetStream for a guest's request on `guest.reader.<stream>.<consumer>[.<filter>]`: a pull consumer in memory,
 * without acknowledgements, that JetStream deletes when it is inactive. Refuses every stream that is not of a build. Whether the
 * guest may read that build was decided by the permissions on the subject.
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
 * Serves the proxy on a connection in CORE until that is closed. The requests for each stream have their own subscription, so a
 * flood for one build cannot delay another's readers. Only a running queue serves it: without one, existing consumers work on and
 * new readers retry.
 */
export function openConsumerProxy(core: NatsConnection): ClientSubscriptions {
  const inFlight = new Map<string, number>();
  const forward = async (message: Msg, stream: string) => {
    const decision = consumerRequest(message.subject, message.data);
    if (!decision.ok) return message.respond(refusal(400, decision.error));
    inFlight.set(stream, (inFlight.get(stream) ?? 0) + 1);
    try {
      // A new request, because JetStream's reply would not pass through a second import to the reply subject of the first.
      const reply = await core.request(decision.subject, decision.body, { timeout: JETSTREAM_TIMEOUT_MS });
      return message.respond(reply.data);
    } catch {
      return message.respond(NO_REPLY);
    } finally {
      const left = (inFlight.get(stream) ?? 0) - 1;
      if (left > 0) inFlight.set(stream, left);
      else inFlight.delete(stream);
    }
  };
  const refuseExcess = (message: Msg) => void message.respond(TOO_MANY_REQUESTS);
  return new ClientSubscriptions({
    nc: core,
    principals: principals.readers,
    onMessage: (message) => {
      // The server gives each request through an import such a reply subject. Any other message is not from a guest.
      if (!message.reply?.startsWith("_R_.")) return;
      const stream = principals.readers.of(message.subject) ?? "";
      if ((inFlight.get(stream) ?? 0) >= IN_FLIGHT_MAX) refuseExcess(message);
      else void forward(message, stream);
    },
    onExcess: refuseExcess,
  });
}

/** A refusal in the format of JetStream's errors, so every client shows it. A reader retries after 429 and 503. */
function refusal(code: 400 | 429 | 503, description: string): string {
  const type = "io.nats.jetstream.api.v1.consumer_create_response";
  return JSON.stringify({ type, error: { code, err_code: 10012, description } });
}

const TOO_MANY_REQUESTS = refusal(429, "too many requests for readers of this build at once: retry in a few seconds");
const NO_REPLY = refusal(503, "JetStream did not reply: retry");

function refuse(error: string): ProxyDecision {
  return { ok: false, error };
}

function json(body: Uint8Array): unknown {
  if (body.length > REQUEST_MAX_BYTES) return undefined;
  try {
    return JSON.parse(Buffer.from(body).toString());
  } catch {
    return undefined;
  }
}
