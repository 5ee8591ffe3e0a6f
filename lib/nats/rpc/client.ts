/** Asking: one question on a subject of the registry, and its reply. */
import { type Msg, type NatsConnection, NatsError } from "nats";
import * as v from "valibot";
import { CbError, messageOf } from "../../core/errors.ts";
import { decode, encode } from "../../protocol/codec.ts";
import { errorReply, type RequestDefinition } from "../../protocol/requests.ts";

export interface CallOptions<Question> {
  readonly nc: NatsConnection;
  /** The user's name or the builder's id, as the credential has it. */
  readonly principal: string;
  readonly request: Question;
  /** How long the reply may take. */
  readonly timeoutMs: number;
}

/**
 * The queue's reply. Throws the queue's own CbError when it refuses, "unreachable" when nobody answers, and
 * "infrastructure" on a reply that this program cannot read.
 */
export async function call<Question, Reply>(
  request: RequestDefinition<Question, Reply>,
  options: CallOptions<Question>,
): Promise<Reply> {
  const subject = request.subject(options.principal);
  const message = await ask(options.nc, subject, encode(options.request), options.timeoutMs);
  if (message.headers?.hasError || message.headers?.has("Nats-Service-Error")) throw refused(message, subject);
  try {
    return decode(request.reply, message.data, `the reply to ${subject}`);
  } catch (cause) {
    throw new CbError("infrastructure", `the queue's reply to ${subject} cannot be read`, {
      hint: "the queue and this program may be of different versions",
      cause,
    });
  }
}

async function ask(nc: NatsConnection, subject: string, bytes: Uint8Array, timeoutMs: number): Promise<Msg> {
  try {
    return await nc.request(subject, bytes, { timeout: timeoutMs });
  } catch (cause) {
    throw callError(subject, cause);
  }
}

function callError(subject: string, cause: unknown): CbError {
  const code = cause instanceof NatsError ? cause.code : "";
  if (code === "503" || code === "TIMEOUT") {
    const hint = "NATS is there, but no cb-queue: tell your operator";
    return new CbError("unreachable", "the queue does not answer", { hint, cause });
  }
  if (code === "PERMISSIONS_VIOLATION") {
    return new CbError("denied", `the credential does not allow to ask on ${subject}`, {
      hint: "it may be another user's, or of an older installation: ask your operator for a new one",
      cause,
    });
  }
  if (code === "MAX_PAYLOAD_EXCEEDED") {
    return new CbError("usage", "the request is too large for NATS", { hint: "is the recipe unusually long?", cause });
  }
  return new CbError("unreachable", `the connection to NATS was lost: ${messageOf(cause)}`, { cause });
}

function refused(message: Msg, subject: string): CbError {
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
