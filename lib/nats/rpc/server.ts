/** The server of requests: replies to every request that the queue serves. Each principal has its own subscription. */
import { headers, type Msg, type NatsConnection, NatsError, type Service } from "nats";
import { CbError } from "../../core/errors.ts";
import { decode, encode } from "../../protocol/codec.ts";
import type { RequestDefinition } from "../../protocol/requests.ts";
import type { Principals } from "../../protocol/subjects.ts";
import { ClientSubscriptions } from "./client-subscriptions.ts";

/** `principal` is the user of `queue.*.<user>`, the builder of `builder.<id>.ask`, or the operator of `admin.*.<operator>`. */
export type Handler<Request, Reply> = (principal: string, request: Request) => Promise<Reply>;

export interface RpcServerOptions {
  readonly nc: NatsConnection;
  /** Called for every refusal, including those beyond a principal's rate limit, so that the caller can log it. `isExcess`: it is one of those. */
  readonly onRefused: (subject: string, error: CbError, isExcess: boolean) => void;
  /** Called with the name of each request that has a handler. */
  readonly onRequest?: ((name: string) => void) | undefined;
}

/** For a request without a recipe. Parsing a larger one would block the requests of others. */
const REQUEST_MAX_BYTES = 64 * 1024;

/**
 * The largest request, a reservation with a hundred build arguments, has about 120 values. Measured on two busy cores, 4 MiB take
 * 40 ms to parse and check as one string, 1.3 s as a list of empty objects, and 6 s as build arguments of a wrong type; the queue
 * sends no reply meanwhile.
 */
const REQUEST_MAX_VALUES = 1000;

/** The message of a refusal is truncated to this: `line` in fields.ts truncates longer ones. */
const MESSAGE_MAX_CHARS = 2000;

/** The queue's name among NATS services: `nats micro ping container-builder-queue`. */
const SERVICE_NAME = "container-builder-queue";

/** Replies to `$SRV.PING` and `$SRV.INFO`. It has no endpoints: an endpoint is one subscription for all principals. */
export const startService = (nc: NatsConnection, softwareVersion: string): Promise<Service> =>
  nc.services.add({
    name: SERVICE_NAME,
    version: softwareVersion,
    description: "Reserves builders and keeps their pool",
  });

/**
 * False when no queue replies within `timeoutMs`, or at once when NATS reports that no queue is connected. True also when the
 * credential may not send this ping, as a user's may not: the first request then shows whether a queue is there.
 */
export const isQueueReachable = (nc: NatsConnection, timeoutMs: number): Promise<boolean> =>
  nc.request(`$SRV.PING.${SERVICE_NAME}`, "", { timeout: timeoutMs }).then(
    () => true,
    (error: unknown) => !isNatsUnavailable(error),
  );

interface Refusal {
  readonly error: CbError;
  readonly code: 400 | 429;
  readonly body: Uint8Array;
}

/** Built once, because a flood makes the queue send it often. */
const TOO_MANY_REQUESTS = refusalOf(
  new CbError("infrastructure", "too many requests at once from one user, builder or operator", {
    hint: "wait a few seconds and retry",
  }),
  429,
);

type RequestHandler = (principal: string, message: Msg) => Promise<Uint8Array>;

/** Sends one reply to every request that it receives: the handler's, or a refusal with the reason. */
export class RpcServer {
  readonly #options: RpcServerOptions;
  /** By the pattern of the request. */
  readonly #handlers = new Map<string, RequestHandler>();
  readonly #subscriptions = new Map<Principals, ClientSubscriptions>();

  constructor(options: RpcServerOptions) {
    this.#options = options;
  }

  /**
   * Serves one request. The first request for a kind of principals subscribes to all requests of that kind, so the caller should
   * register all of them without an await in between: a request without a handler is refused.
   */
  serve<Request, Reply>(definition: RequestDefinition<Request, Reply>, handler: Handler<Request, Reply>): void {
    const { principals, maxBytes = REQUEST_MAX_BYTES } = definition;
    this.#handlers.set(definition.pattern, async (principal, { data }) => {
      // Throws if the principal is not a name or an id, although the permissions of the credentials allow no such subject.
      definition.subject(principal);
      this.#options.onRequest?.(definition.name);
      const bounds = { maxBytes, maxValues: REQUEST_MAX_VALUES };
      return encode(await handler(principal, decode(definition.request, data, definition.name, bounds)));
    });
    if (!this.#subscriptions.has(principals)) this.#subscriptions.set(principals, this.#subscribeTo(principals));
  }

  /** Gives a principal its own subscription before its first request, so a flood from another principal cannot delay that. */
  expect(principals: Principals, principal: string): void {
    this.#subscriptions.get(principals)?.expect(principal);
  }

  /** Resolves when every request that the server had sent until now was received; their replies may still be in flight. */
  async close(): Promise<void> {
    await Promise.all([...this.#subscriptions.values()].map((subscriptions) => subscriptions.close()));
  }

  #subscribeTo(principals: Principals): ClientSubscriptions {
    const handlerFor = ({ subject }: Msg) => this.#handlers.get(principals.pattern(subject));
    return new ClientSubscriptions({
      nc: this.#options.nc,
      principals,
      // It rejects only if a refusal cannot be sent because the connection is closed; no client waits for it then.
      onMessage: (message) =>
        void this.#reply(principals.of(message.subject), handlerFor(message), message).catch(() => undefined),
      onExcess: (message) => this.#refuse(message, TOO_MANY_REQUESTS),
    });
  }

  async #reply(principal = "", handler: RequestHandler | undefined, message: Msg): Promise<void> {
    try {
      if (handler === undefined) {
        throw new CbError("usage", `the queue serves no request on ${message.subject.slice(0, 200)}`);
      }
      // respond() throws for a reply that is larger than the server's max_payload.
      message.respond(await handler(principal, message));
    } catch (thrown) {
      this.#refuse(message, refusalOf(asRefusal(thrown), 400));
    }
  }

  /** As NATS services refuse. The message is in the body only: a header ends at a line break, and nats.js does not check that. */
  #refuse(message: Msg, { error, code, body }: Refusal): void {
    this.#options.onRefused(message.subject, error, code === 429);
    const head = headers();
    head.set("Nats-Service-Error", error.kind);
    head.set("Nats-Service-Error-Code", String(code));
    message.respond(body, { headers: head });
  }
}

function refusalOf(error: CbError, code: 400 | 429): Refusal {
  const { kind, hint } = error;
  const message = error.message.slice(0, MESSAGE_MAX_CHARS);
  return { error, code, body: encode({ v: 1, error: { kind, message, ...(hint === undefined ? {} : { hint }) } }) };
}

/** A client learns that the queue failed, but not how: the log has the cause. */
function asRefusal(cause: unknown): CbError {
  const hint = "retry; if it persists, tell your operator: the queue's log has the reason";
  if (isNatsUnavailable(cause)) {
    return new CbError("unreachable", "the queue cannot reach its records", { hint, cause });
  }
  if (cause instanceof CbError) return cause;
  return new CbError("infrastructure", "the queue failed", { hint, cause });
}

/** Codes of nats.js. 503 means "no responders", unless JetStream sends an error of its own with it. */
const UNAVAILABLE_CODES = ["TIMEOUT", "503", "CONNECTION_CLOSED", "CONNECTION_DRAINING", "DISCONNECT"];
/** "JetStream system temporarily unavailable" (nats-server errors.json). */
const JETSTREAM_UNAVAILABLE = 10008;

/** Whether `thrown`, or its cause, means that NATS or JetStream is unavailable, rather than that it refused the request. */
function isNatsUnavailable(thrown: unknown): boolean {
  const error = thrown instanceof Error && !(thrown instanceof NatsError) ? thrown.cause : thrown;
  if (!(error instanceof NatsError)) return false;
  if (error.api_error !== undefined) return error.api_error.err_code === JETSTREAM_UNAVAILABLE;
  return UNAVAILABLE_CODES.includes(error.code);
}
