/** Answering: everything that the queue is asked on subjects of the registry, each principal heard through a door of its own. */
import { headers, type Msg, type NatsConnection, type Service } from "nats";
import { CbError } from "../../core/errors.ts";
import { decode, encode } from "../../protocol/codec.ts";
import type { RequestDefinition } from "../../protocol/requests.ts";
import type { Principals } from "../../protocol/subjects.ts";
import { isNatsAway } from "../nats-away.ts";
import { ClientSubscriptions } from "./client-subscriptions.ts";

/** The third token of `queue.*.<user>`, the second of `builder.<id>.ask`: the one star of the pattern. */
export type Handler<Question, Reply> = (principal: string, question: Question) => Promise<Reply>;

export interface RpcServerOptions {
  readonly nc: NatsConnection;
  /** Told of every refusal, and of every question beyond the principal's share, so that it is logged. */
  readonly onRefused: (subject: string, error: CbError) => void;
}

/** A question without a recipe; a larger one would be parsed while nobody else is answered. */
const QUESTION_MAX_BYTES = 64 * 1024;

/**
 * The largest question, a reservation with a hundred build arguments, has some 120. Measured on two busy cores: 4 MiB take
 * 40 ms as one word, 1.3 s as a list of empty objects, and 6 s as build arguments of a wrong type, in which nobody else is
 * answered.
 */
const QUESTION_MAX_VALUES = 1000;

/** What a refusal's text is cut to: `line` in fields.ts refuses longer ones. */
const MESSAGE_MAX_CHARS = 2000;

/** Under this name the queue is found: `nats micro ping container-builder-queue`. */
const SERVICE_NAME = "container-builder-queue";

/** Answers `$SRV.PING` and `$SRV.INFO`. It has no endpoints: one of those hears everybody alike. */
export const startService = (nc: NatsConnection, softwareVersion: string): Promise<Service> =>
  nc.services.add({
    name: SERVICE_NAME,
    version: softwareVersion,
    description: "Reserves builders and keeps their pool",
  });

/**
 * False when no queue answers within that time; that none is there NATS says at once. True also for who may not ask this, as
 * users may not: the first question tells them.
 */
export const queueAnswers = (nc: NatsConnection, timeoutMs: number): Promise<boolean> =>
  nc.request(`$SRV.PING.${SERVICE_NAME}`, "", { timeout: timeoutMs }).then(
    () => true,
    (error: unknown) => !isNatsAway(error),
  );

interface Refused {
  readonly error: CbError;
  readonly code: 400 | 429;
  readonly body: Uint8Array;
}

/** Made once: it is sent to whoever floods. */
const TOO_MUCH = refusalOf(
  new CbError("infrastructure", "these are more questions at once than one principal may have", {
    hint: "wait some seconds and ask again",
  }),
  429,
);

type Served = (principal: string, message: Msg) => Promise<Uint8Array>;

/** Every question that it hears gets one answer: the handler's, or a refusal that says why. */
export class RpcServer {
  readonly #options: RpcServerOptions;
  /** By the pattern of the request. */
  readonly #served = new Map<string, Served>();
  readonly #subscriptions = new Map<Principals, ClientSubscriptions>();

  constructor(options: RpcServerOptions) {
    this.#options = options;
  }

  /** The first request of its principals opens the way for them, so that all of theirs should be served in one go. */
  serve<Question, Reply>(request: RequestDefinition<Question, Reply>, handler: Handler<Question, Reply>): void {
    const { principals, maxBytes = QUESTION_MAX_BYTES } = request;
    this.#served.set(request.pattern, async (principal, { data }) => {
      // Throws on what is no name or id, although the server's permissions let no such subject pass.
      request.subject(principal);
      const question = decode(request.request, data, request.name, { maxBytes, maxValues: QUESTION_MAX_VALUES });
      return encode(await handler(principal, question));
    });
    if (!this.#subscriptions.has(principals)) this.#subscriptions.set(principals, this.#doorsFor(principals));
  }

  /** Whoever is known is heard also while others of their kind ask without end. Of no effect on who is expected already. */
  expect(principals: Principals, principal: string): void {
    this.#subscriptions.get(principals)?.expect(principal);
  }

  /** Resolves when everything that the server had sent by now was heard; answers may be on their way. */
  async close(): Promise<void> {
    await Promise.all([...this.#subscriptions.values()].map((doors) => doors.close()));
  }

  #doorsFor(principals: Principals): ClientSubscriptions {
    const find = ({ subject }: Msg) => this.#served.get(principals.pattern(subject));
    return new ClientSubscriptions({
      nc: this.#options.nc,
      principals,
      // Only a closed connection keeps a refusal from being sent, and then nobody waits for it.
      onMessage: (message) =>
        void this.#hear(principals.of(message.subject), find(message), message).catch(() => undefined),
      onExcess: (message) => this.#refuse(message, TOO_MUCH),
    });
  }

  async #hear(principal = "", served: Served | undefined, message: Msg): Promise<void> {
    try {
      if (served === undefined) throw new CbError("usage", `nobody is asked on ${message.subject.slice(0, 200)}`);
      // Throws for a reply that is larger than NATS takes.
      message.respond(await served(principal, message));
    } catch (thrown) {
      this.#refuse(message, refusalOf(asRefusal(thrown), 400));
    }
  }

  /** As NATS services refuse. A header ends at a line break, and nats.js does not look: the text travels in the body alone. */
  #refuse(message: Msg, { error, code, body }: Refused): void {
    this.#options.onRefused(message.subject, error);
    const head = headers();
    head.set("Nats-Service-Error", error.kind);
    head.set("Nats-Service-Error-Code", String(code));
    message.respond(body, { headers: head });
  }
}

function refusalOf(error: CbError, code: 400 | 429): Refused {
  const { kind, hint } = error;
  const message = error.message.slice(0, MESSAGE_MAX_CHARS);
  return { error, code, body: encode({ v: 1, error: { kind, message, ...(hint === undefined ? {} : { hint }) } }) };
}

/** A stranger is not told how we failed, only that we did; the log has the rest. */
function asRefusal(cause: unknown): CbError {
  const hint = "try again; if it stays, tell your operator, whose log has the reason";
  if (isNatsAway(cause)) return new CbError("unreachable", "the queue cannot reach its records", { hint, cause });
  if (cause instanceof CbError) return cause;
  return new CbError("infrastructure", "the queue failed", { hint, cause });
}
