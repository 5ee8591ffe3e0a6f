/** Answering: the endpoints of a NATS service, each with its pattern and schemas from the registry. */
import type { NatsConnection, Service, ServiceMsg } from "nats";
import { CbError, messageOf } from "../errors.ts";
import { decode, encode } from "./codec.ts";
import type { Request } from "./registry.ts";
import type { Shares } from "./shares.ts";

/** The third token of `queue.*.<user>`, the second of `builder.<id>.ask`: the one star of the pattern. */
export type Handler<Question, Reply> = (asker: string, question: Question) => Promise<Reply>;

export interface ServeOptions<Question, Reply> {
  readonly service: Service;
  readonly request: Request<Question, Reply>;
  /** One for all that a service answers. */
  readonly shares: Shares;
  readonly handler: Handler<Question, Reply>;
  /** Told of every refusal, and of every question beyond the asker's share, so that it is logged. */
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
export const SERVICE_NAME = "container-builder-queue";

/** The service answers `$SRV.PING`, `$SRV.INFO` and `$SRV.STATS`; endpoints are added with `serve`. */
export const startService = (nc: NatsConnection, softwareVersion: string): Promise<Service> =>
  nc.services.add({
    name: SERVICE_NAME,
    version: softwareVersion,
    description: "Reserves builders and keeps their pool",
  });

const maxBytesOf = <Q, R>(request: Request<Q, R>): number => request.maxBytes ?? QUESTION_MAX_BYTES;

/**
 * Made once: it costs next to nothing to send. It is sent at all because NATS remembers each request without an answer
 * for two minutes, and slows down with their number.
 */
const TOO_MUCH = new CbError("infrastructure", "these are more questions at once than one asker may have", {
  hint: "wait some seconds and ask again",
});
const TOO_MUCH_BODY = encode(refusalOf(TOO_MUCH));

/** Every question gets one answer: the handler's, or a refusal that says why. */
export function serve<Question, Reply>(options: ServeOptions<Question, Reply>): void {
  const { service, request, shares, onRefused } = options;
  const star = request.pattern.split(".").indexOf("*");
  service.addEndpoint(request.name, {
    subject: request.pattern,
    handler: (error, message) => {
      if (error !== null) return;
      const { subject, data } = message;
      // The same name may be a user's and an operator's: the first token tells them apart.
      const asker = `${subject.slice(0, subject.indexOf("."))} ${subject.split(".")[star]}`;
      // What is too long is not looked at.
      if (shares.take(asker, Math.min(data.length, maxBytesOf(request)))) {
        // Only a closed connection keeps an answer from being sent, and then nobody waits for it.
        answer(options, star, message).catch(() => undefined);
      } else {
        onRefused(subject, TOO_MUCH);
        message.respondError(429, TOO_MUCH.kind, TOO_MUCH_BODY);
      }
    },
  });
}

async function answer<Q, R>(options: ServeOptions<Q, R>, star: number, message: ServiceMsg): Promise<void> {
  const { request, handler, onRefused } = options;
  try {
    const asker = message.subject.split(".")[star] ?? "";
    // Throws on what is no name or id, although the server's permissions let no such subject pass.
    request.subject(asker);
    const bounds = { maxBytes: maxBytesOf(request), maxValues: QUESTION_MAX_VALUES };
    const question = decode(request.question, message.data, request.name, bounds);
    message.respond(encode(await handler(asker, question)));
  } catch (thrown) {
    const error = asRefusal(thrown);
    onRefused(message.subject, error);
    // A header ends at a line break, and nats.js does not look: the text travels in the body alone.
    message.respondError(400, error.kind, encode(refusalOf(error)));
  }
}

function refusalOf({ kind, message, hint }: CbError) {
  const text = message.slice(0, MESSAGE_MAX_CHARS);
  return { v: 1, error: { kind, message: text, ...(hint === undefined ? {} : { hint }) } };
}

/** A stranger is not told how we failed, only that we did; the log has the rest. */
function asRefusal(thrown: unknown): CbError {
  if (thrown instanceof CbError) return thrown;
  return new CbError("infrastructure", `the queue failed: ${messageOf(thrown).slice(0, 200)}`, {
    hint: "try again; if it stays, tell your operator",
    cause: thrown,
  });
}
