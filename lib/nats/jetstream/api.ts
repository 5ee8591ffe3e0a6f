/**
 * The few calls of the JetStream API that the byte movers need, made directly: they work in CORE (`$JS.API`) and in GUEST
 * (`JSC.API`, where only these calls are imported), and need no right to ask for anything else.
 */
import { ErrorCode, type NatsConnection, NatsError } from "nats";
import * as v from "valibot";
import { ConnectionClosed, NotAllowed, type Refusal } from "./stream-errors.ts";

/** A connection, and what the names of JetStream's calls begin with on it. */
export interface JetStreamAccess {
  readonly nc: NatsConnection;
  /** `$JS.API` in CORE, `JSC.API` in GUEST. */
  readonly apiPrefix: string;
  /** What the connection was made with: the only subjects it may subscribe to in GUEST. nats.js does not show it. */
  readonly inboxPrefix: string;
}

/** A leader that died is replaced within 4 to 7 s (measured); a call that waits as long is simply made again. */
const CALL_TIMEOUT_MS = 5_000;

export type ApiReply =
  | { readonly kind: "ok"; readonly body: unknown }
  | { readonly kind: "refused"; readonly refusal: Refusal }
  /** Nothing came back: no server, no leader, or (in GUEST, where it cannot be told apart) nobody who listens. */
  | { readonly kind: "silent" };

const errorSchema = v.object({
  error: v.object({ code: v.number(), err_code: v.optional(v.number()), description: v.optional(v.string(), "") }),
});

/** The refusal inside an answer of JetStream, be it of the API or to a publish; undefined when it is none. */
export function refusalIn(body: unknown): Refusal | undefined {
  const parsed = v.safeParse(errorSchema, body);
  if (!parsed.success) return undefined;
  const { code, err_code, description } = parsed.output.error;
  return { code: err_code ?? code, status: code, text: description };
}

/** JSON of the other side; undefined (which fits no schema) when it is none. */
export function parseJson(data: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString("utf8"));
  } catch {
    return undefined;
  }
}

/** Makes one call. Throws NotAllowed and ConnectionClosed; all else is in the answer. */
export async function callApi(
  js: JetStreamAccess,
  call: string,
  body: unknown,
  timeoutMs = CALL_TIMEOUT_MS,
): Promise<ApiReply> {
  const subject = `${js.apiPrefix}.${call}`;
  try {
    const reply = await js.nc.request(subject, JSON.stringify(body), { timeout: timeoutMs });
    const answer = parseJson(reply.data);
    const refusal = refusalIn(answer);
    return refusal === undefined ? { kind: "ok", body: answer } : { kind: "refused", refusal };
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
  /** The header block as stored, empty when there is none. */
  readonly headerText: string;
}

const storedSchema = v.object({
  message: v.object({ seq: v.number(), data: v.optional(v.string(), ""), hdrs: v.optional(v.string(), "") }),
});

/** The message in the body of STREAM.MSG.GET; undefined when the body has another shape. */
export function storedMessage(body: unknown): StoredMessage | undefined {
  const parsed = v.safeParse(storedSchema, body);
  if (!parsed.success) return undefined;
  const { seq, data, hdrs } = parsed.output.message;
  return { seq, data: Buffer.from(data, "base64"), headerText: Buffer.from(hdrs, "base64").toString("utf8") };
}
