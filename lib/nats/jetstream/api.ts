/**
 * The few calls of the JetStream API that readers, publishers and transfers need, without the API client of nats.js.
 * They work in CORE (`$JS.API`) and in GUEST (`JSC.API`, where only these calls are imported), and need permission for
 * nothing else.
 */
import { ErrorCode, type NatsConnection, NatsError } from "nats";
import * as v from "valibot";
import { ConnectionClosed, NotAllowed, type Refusal } from "./stream-errors.ts";

/** A connection, and the prefixes that its account requires. */
export interface JetStreamAccess {
  readonly nc: NatsConnection;
  /** `$JS.API` in CORE, `JSC.API` in GUEST. */
  readonly apiPrefix: string;
  /** The inbox prefix of the connection: the only subjects it may subscribe to in GUEST. nats.js does not expose it. */
  readonly inboxPrefix: string;
}

/** A failed leader is replaced within 4 to 7 s (measured); callers repeat a call that took longer. */
const CALL_TIMEOUT_MS = 5_000;

export type ApiReply =
  | { readonly kind: "ok"; readonly body: unknown }
  | { readonly kind: "refused"; readonly refusal: Refusal }
  /** No reply: there is no server, no leader, or (in GUEST, where the difference is not visible) no subscriber. */
  | { readonly kind: "silent" };

const errorSchema = v.object({
  error: v.object({ code: v.number(), err_code: v.optional(v.number()), description: v.optional(v.string(), "") }),
});

/** The refusal in a reply of JetStream, to an API call or to a publish; undefined if the reply is no refusal. */
export function refusalIn(body: unknown): Refusal | undefined {
  const parsed = v.safeParse(errorSchema, body);
  if (!parsed.success) return undefined;
  const { code, err_code, description } = parsed.output.error;
  return { code: err_code ?? code, status: code, text: description };
}

/** Parses received JSON. Returns undefined, which matches no schema, if it is invalid. */
export function parseJson(data: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString("utf8"));
  } catch {
    return undefined;
  }
}

/** Makes one call. Throws NotAllowed and ConnectionClosed; every other outcome is in the result. */
export async function callApi(
  js: JetStreamAccess,
  call: string,
  body: unknown,
  timeoutMs = CALL_TIMEOUT_MS,
): Promise<ApiReply> {
  const subject = `${js.apiPrefix}.${call}`;
  try {
    const reply = await js.nc.request(subject, JSON.stringify(body), { timeout: timeoutMs });
    const replyBody = parseJson(reply.data);
    const refusal = refusalIn(replyBody);
    return refusal === undefined ? { kind: "ok", body: replyBody } : { kind: "refused", refusal };
  } catch (error) {
    if (!(error instanceof NatsError)) throw error;
    if (error.code === ErrorCode.PermissionsViolation) throw new NotAllowed(subject);
    if (error.code === ErrorCode.ConnectionClosed || error.code === ErrorCode.ConnectionDraining) {
      throw new ConnectionClosed(error);
    }
    return { kind: "silent" };
  }
}

export interface StoredMessage {
  readonly seq: number;
  readonly data: Uint8Array;
  /** The header block as stored, empty if there is none. */
  readonly headerText: string;
}

const storedSchema = v.object({
  message: v.object({ seq: v.number(), data: v.optional(v.string(), ""), hdrs: v.optional(v.string(), "") }),
});

/** The message in the body of STREAM.MSG.GET; undefined if the body has another format. */
export function storedMessage(body: unknown): StoredMessage | undefined {
  const parsed = v.safeParse(storedSchema, body);
  if (!parsed.success) return undefined;
  const { seq, data, hdrs } = parsed.output.message;
  return { seq, data: Buffer.from(data, "base64"), headerText: Buffer.from(hdrs, "base64").toString("utf8") };
}
