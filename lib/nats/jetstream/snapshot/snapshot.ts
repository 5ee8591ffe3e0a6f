/**
 * Saves a stream as one snapshot: a compressed archive that JetStream makes and sends in chunks, the format of `nats stream backup`.
 * Sequence numbers are kept, and with them the revisions of key-value entries. Consumers are left out: each belongs to a connection.
 */
import { randomUUID } from "node:crypto";
import type { Msg } from "nats";
import * as v from "valibot";
import { CbError } from "../../../core/errors.ts";
import { callApi, type JetStreamAccess } from "../api.ts";
import { ERR_CODE } from "../stream-errors.ts";

/**
 * The server sends at most 8 MiB without an acknowledgement, whatever the size of a chunk. nats-server 2.9 waits only 10 ms for one,
 * so this also bounds the bytes that a slow disk must take: 25 MiB/s.
 */
const CHUNK_BYTES = 256 * 1024;

/** nats-server makes the archive while it sends it, and gives up after 2 s without an acknowledgement. */
const SILENCE_MAX_MS = 20_000;

/** The server answers when it has locked the stream for reading; with many messages that took up to a second. */
const REPLY_MS = 20_000;

/** The fields that this project reads; the others are kept as they are. */
export const snapshotConfig = v.looseObject({
  name: v.string(),
  num_replicas: v.number(),
  subjects: v.optional(v.array(v.string())),
});
export type SnapshotConfig = v.InferOutput<typeof snapshotConfig>;
export const snapshotState = v.looseObject({
  messages: v.number(),
  bytes: v.number(),
  last_seq: v.number(),
  last_ts: v.optional(v.string(), ""),
  first_ts: v.optional(v.string()),
  /** Numbers after the first message that have no message. */
  num_deleted: v.optional(v.number()),
});
const contentSchema = v.object({ config: snapshotConfig, state: snapshotState });

/** The parameters of RESTORE besides the archive. */
export type SnapshotContent = Readonly<v.InferOutput<typeof contentSchema>>;

export interface SavedStream extends SnapshotContent {
  /**
   * The last message of the stream after the archive was complete. The archive of a stream that is written meanwhile ends between
   * `state.last_seq` and this one.
   */
  readonly lastSeqMax: number;
}

export interface SaveOptions {
  /**
   * Takes each chunk, in order, and must be done with it when it returns: the next chunk is acknowledged, and so requested, after
   * that. A synchronous write keeps the memory bounded, because Node reads no more from the socket meanwhile.
   */
  readonly write: (chunk: Uint8Array) => void;
  readonly signal: AbortSignal;
}

/**
 * Resolves when the whole archive was written; with undefined when the stream does not exist, or was deleted meanwhile. Throws
 * CbError "infrastructure" when the archive stays incomplete (a retry may succeed), "denied" when the credential may not take
 * snapshots, the error of `write`, and the reason of `signal`.
 */
export async function saveStream(
  js: JetStreamAccess,
  stream: string,
  options: SaveOptions,
): Promise<SavedStream | undefined> {
  options.signal.throwIfAborted();
  const inbox = `${js.inboxPrefix}.${randomUUID()}`;
  const archive = receiveArchive(js, { ...options, inbox, stream });
  try {
    const request = { deliver_subject: inbox, no_consumers: true, chunk_size: CHUNK_BYTES };
    const content = await requestSnapshot(js, stream, request);
    if (content === undefined) return undefined;
    await archive.received;
    // A stream that is deleted meanwhile may end its archive without an error.
    const info = await requestInfo(js, stream);
    return info === undefined ? undefined : { ...content, lastSeqMax: info.state.last_seq };
  } catch (error) {
    if (error instanceof IncompleteArchive && (await requestInfo(js, stream)) === undefined) return undefined;
    throw error;
  } finally {
    archive.close();
  }
}

/** The archive has no end, or JetStream could not read the stream. */
class IncompleteArchive extends CbError {
  constructor(stream: string, reason: string) {
    super("infrastructure", `the snapshot of ${stream} is incomplete: ${reason}`, { hint: "try again" });
    this.name = "IncompleteArchive";
  }
}

async function requestSnapshot(js: JetStreamAccess, stream: string, request: object) {
  const reply = await callApi(js, `STREAM.SNAPSHOT.${stream}`, request, REPLY_MS);
  if (reply.kind === "silent") throw new IncompleteArchive(stream, "JetStream does not answer");
  if (reply.kind === "ok") return v.parse(contentSchema, reply.body);
  if (reply.refusal.code === ERR_CODE.streamNotFound) return undefined;
  throw new IncompleteArchive(stream, `${reply.refusal.text} (JetStream error ${reply.refusal.code})`);
}

/** Undefined when the stream does not exist. */
export async function requestInfo(js: JetStreamAccess, stream: string): Promise<SnapshotContent | undefined> {
  const reply = await callApi(js, `STREAM.INFO.${stream}`, {});
  if (reply.kind === "ok") return v.parse(contentSchema, reply.body);
  if (reply.kind === "refused" && reply.refusal.code === ERR_CODE.streamNotFound) return undefined;
  throw new CbError("infrastructure", `the stream ${stream} does not answer`, { hint: "try again" });
}

interface Receiving extends SaveOptions {
  readonly inbox: string;
  readonly stream: string;
}

/** Subscribes before the request, because the server sends nothing without a subscriber. */
function receiveArchive({ nc }: JetStreamAccess, { inbox, stream, write, signal }: Receiving) {
  let settle: { resolve: () => void; reject: (reason: unknown) => void } | undefined;
  const received = new Promise<void>((resolve, reject) => {
    settle = { resolve, reject };
  });
  // The request may fail first; then the archive's own failure is not awaited.
  received.catch(() => undefined);
  const fail = (reason: unknown) => settle?.reject(reason);
  const silence = setTimeout(() => fail(new IncompleteArchive(stream, "JetStream stopped sending")), SILENCE_MAX_MS);
  const onAbort = () => fail(signal.reason);
  signal.addEventListener("abort", onAbort, { once: true });
  const onMessage = (message: Msg) => {
    silence.refresh();
    if (message.data.length === 0) {
      const problem = endProblem(message);
      return problem === "" ? settle?.resolve() : fail(new IncompleteArchive(stream, problem));
    }
    write(message.data);
    message.respond();
  };
  const subscription = nc.subscribe(inbox, {
    callback: (error, message) => {
      try {
        if (error) throw error;
        onMessage(message);
      } catch (reason) {
        fail(reason);
        close();
      }
    },
  });
  const close = () => {
    clearTimeout(silence);
    signal.removeEventListener("abort", onAbort);
    subscription.unsubscribe();
  };
  return { received, close };
}

/** The last message has no body. Its status is 204 or missing after a whole archive; 408 or 500 with the reason otherwise. */
function endProblem({ headers }: Msg): string {
  return headers === undefined || headers.code < 300 ? "" : `${headers.code} ${headers.description}`;
}
