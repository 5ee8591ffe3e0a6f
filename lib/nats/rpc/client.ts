/** The client of requests: sends one request to the queue and returns its reply. */
import { type Msg, type NatsConnection, NatsError } from "nats";
import * as v from "valibot";
import { CbError, messageOf } from "../../core/errors.ts";
import { decode, encode } from "../../protocol/codec.ts";
import { errorReply, type RequestDefinition } from "../../protocol/requests.ts";

export interface CallOptions<Request> {
  readonly nc: NatsConnection;
  /** The user's name or the builder's id, as in the credential. */
  readonly principal: string;
  readonly request: Request;
  /** How long to wait for the reply. */
  readonly timeoutMs: number;
}

/**
 * Returns the queue's reply. Throws the queue's own CbError when it refuses; "unreachable" when no reply arrives or the connection
 * is lost; "denied" when the credential does not allow the subject; "usage" when the request is larger than NATS accepts; and
 * "infrastructure" when this program cannot read the reply.
 */
export async function call<Request, Reply>(
  definition: RequestDefinition<Request, Reply>,
  options: CallOptions<Request>,
): Promise<Reply> {
  const subject = definition.subject(options.principal);
  const message = await send(options.nc, subject, encode(options.request), options.timeoutMs);
  if (message.headers?.hasError || message.headers?.has("Nats-Service-Error")) throw refusalIn(message, subject);
  try {
    return decode(definition.reply, message.data, `the reply to ${subject}`);
  } catch (cause) {
    throw new CbError("infrastructure", `the queue's reply to ${subject} cannot be read`, {
      hint: "the queue and this program may be of different versions",
      cause,
    });
  }
}

async function send(nc: NatsConnection, subject: string, bytes: Uint8Array, timeoutMs: number): Promise<Msg> {
  try {
    return await nc.request(subject, bytes, { timeout: timeoutMs });
  } catch (cause) {
    throw sendError(subject, cause);
  }
}

function sendError(subject: string, cause: unknown): CbError {
  const code = cause instanceof NatsError ? cause.code : "";
  if (code === "503" || code === "TIMEOUT") {
    const hint = "NATS is reachable, but cb-queue is not: tell your operator";
    return new CbError("unreachable", "the queue does not answer", { hint, cause });
  }
  if (code === "PERMISSIONS_VIOLATION") {
    return new CbError("denied", `the credential does not allow requests on ${subject}`, {
      hint: "it may be another user's, or of an older installation: ask your operator for a new one",
      cause,
    });
  }
  if (code === "MAX_PAYLOAD_EXCEEDED") {
    return new CbError("usage", "the request is too large for NATS", { hint: "is the recipe unusually long?", cause });
  }
  return new CbError("unreachable", `the connection to NATS was lost: ${messageOf(cause)}`, { cause });
}

function refusalIn(message: Msg, subject: string): CbError {
  const parsed = v.safeParse(errorReply, tryJson(message));
  if (!parsed.success) return new CbError("infrastructure", `the queue failed on ${subject}`);
  const { kind, message: text, hint } = parsed.output.error;
  return new CbError(kind, text, hint === undefined ? {} : { hint });
}

function tryJson(message: Msg): unknown {
  try {
    return message.json();
  } catch {
    return undefined;
  }
}
