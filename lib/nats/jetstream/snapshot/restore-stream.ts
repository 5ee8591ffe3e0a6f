/** Makes a stream from a snapshot. JetStream makes the stream when the archive is complete, so a killed restore leaves none. */
import { ErrorCode, NatsError } from "nats";
import * as v from "valibot";
import { unlessAborted } from "../../../core/abort.ts";
import { CbError, messageOf } from "../../../core/errors.ts";
import { ConnectionWatch } from "../../connection-watch.ts";
import { callApi, type JetStreamAccess, parseJson, refusalIn } from "../api.ts";
import { type Refusal, TOO_FEW_SERVERS_CODES } from "../stream-errors.ts";
import { type SavedStream, type SnapshotContent, snapshotState } from "./snapshot.ts";

/** Chunks of half a MiB keep a round trip of milliseconds small beside their transfer. */
export const RESTORE_CHUNK_BYTES = 512 * 1024;

/** For a chunk: the server writes it to a temporary file. It gives up after 5 s without one (nats-server 2.9). */
const CHUNK_MS = 30_000;

/** From the last chunk to the stream: the server unpacks and checks the archive. 1 GiB took 2 s; a slow disk may take minutes. */
const FINISH_MS = 600_000;

const openedSchema = v.object({ deliver_subject: v.string() });
const finishedSchema = v.object({ state: snapshotState });

/** JSStreamNameExistRestoreFailedErr, and JSStreamNameExistErr of older servers. */
const EXISTS_CODES = [10130, 10058];
/** JSStorageResourcesExceededErr, JSInsufficientResourcesErr, JSMemoryResourcesExceededErr. */
const NO_STORAGE_CODES = [10047, 10023, 10028];

/** The connection was lost, or JetStream dropped the restore after it. The stream may be there: its last reply may have been lost. */
export class RestoreInterrupted extends CbError {
  constructor(stream: string, reason: string, cause: unknown) {
    super("unreachable", `the connection to NATS was lost while ${stream} was restored: ${reason}`, {
      hint: "repeat the command: it goes on with the streams that are missing",
      cause,
    });
    this.name = "RestoreInterrupted";
  }
}

/**
 * `chunks`: the archive, in pieces of at most RESTORE_CHUNK_BYTES. Throws CbError "usage" when the stream exists, "config" when the
 * server has no space for it or cannot keep so many replicas, "denied" when the credential may not restore,
 * RestoreInterrupted at once when the connection is lost, and CbError "infrastructure" when JetStream refuses the archive.
 */
export async function restoreStream(
  js: JetStreamAccess,
  { config, state: saved, lastSeqMax }: SavedStream,
  chunks: AsyncIterable<Uint8Array>,
): Promise<void> {
  const { name } = config;
  const lost = new AbortController();
  // A reply that was on its way is lost with the connection, and nats.js would wait for it after it has connected again.
  const watch = new ConnectionWatch(js.nc, { disconnected: () => lost.abort(new Error("disconnected")) });
  const empty = new Uint8Array(0);
  try {
    // nats-server 2.12 and newer refuse a request with other fields.
    const { deliver_subject } = await open(js, { config, state: saved }, lost.signal);
    const part = { name, subject: deliver_subject, lost: lost.signal };
    for await (const chunk of chunks) await send(js, { ...part, chunk, timeoutMs: CHUNK_MS });
    verify(name, saved, lastSeqMax, await send(js, { ...part, chunk: empty, timeoutMs: FINISH_MS }));
  } finally {
    watch.stop();
  }
}

function verify(name: string, saved: SnapshotContent["state"], lastSeqMax: number, end: unknown): void {
  const { state } = v.parse(finishedSchema, end);
  if (state.last_seq >= saved.last_seq && state.last_seq <= lastSeqMax) return;
  throw failed(name, `it ends at message ${state.last_seq} instead of ${saved.last_seq}`);
}

async function open(js: JetStreamAccess, content: SnapshotContent, lost: AbortSignal) {
  const { name } = content.config;
  const reply = await unlessAborted(callApi(js, `STREAM.RESTORE.${name}`, content, CHUNK_MS), lost).catch((cause) => {
    throw cause === lost.reason ? new RestoreInterrupted(name, messageOf(cause), cause) : cause;
  });
  if (reply.kind === "silent") throw new RestoreInterrupted(name, "JetStream does not answer", undefined);
  if (reply.kind === "refused") throw refused(content, reply.refusal);
  return v.parse(openedSchema, reply.body);
}

interface Part {
  readonly name: string;
  readonly subject: string;
  readonly chunk: Uint8Array;
  readonly timeoutMs: number;
  /** Aborted when the connection is lost. */
  readonly lost: AbortSignal;
}

/** Returns the body of the reply, undefined for that to a chunk. */
async function send({ nc }: JetStreamAccess, { name, subject, chunk, timeoutMs, lost }: Part): Promise<unknown> {
  try {
    const { data } = await unlessAborted(nc.request(subject, chunk, { timeout: timeoutMs }), lost);
    const body = parseJson(data);
    const refusal = refusalIn(body);
    if (refusal !== undefined) throw failed(name, `${refusal.text} (JetStream error ${refusal.code})`);
    return body;
  } catch (cause) {
    if (cause !== lost.reason && !(cause instanceof NatsError)) throw cause;
    const hasGivenUp = cause instanceof NatsError && cause.code === ErrorCode.NoResponders;
    throw new RestoreInterrupted(name, hasGivenUp ? "JetStream has given up" : messageOf(cause), cause);
  }
}

function refused({ config, state }: SnapshotContent, { code, text }: Refusal): CbError {
  const { name, num_replicas } = config;
  if (EXISTS_CODES.includes(code)) {
    return new CbError("usage", `there is a stream ${name} already`, { hint: "restore into an empty server" });
  }
  if (NO_STORAGE_CODES.includes(code)) {
    return new CbError("config", `NATS has no storage left for ${name}, which has ${state.bytes} bytes: ${text}`, {
      hint: 'raise "max_file" of nats-server, restart it, and repeat the command',
    });
  }
  if (TOO_FEW_SERVERS_CODES.includes(code)) {
    return new CbError("config", `NATS cannot keep ${num_replicas} replicas of ${name}: ${text}`, {
      hint: "name the number that its servers can keep: --replicas 1",
    });
  }
  return failed(name, `${text} (JetStream error ${code})`);
}

const failed = (name: string, reason: string): CbError =>
  new CbError("infrastructure", `the stream ${name} was not restored: ${reason}`, {
    hint: "is it the backup of a newer nats-server? repeat the command: it goes on with the streams that are missing",
  });
