/** Makes a stream from a snapshot. JetStream makes the stream when the archive is complete, so a killed restore leaves none. */
import { ErrorCode, NatsError } from "nats";
import * as v from "valibot";
import { CbError, messageOf } from "../../../core/errors.ts";
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

/**
 * `chunks`: the archive, in pieces of at most RESTORE_CHUNK_BYTES. Throws CbError "usage" when the stream exists, "config" when the
 * server has no space for it or cannot keep so many replicas, "denied" when the credential may not restore, "unreachable" when the
 * connection is lost, and "infrastructure" when JetStream refuses the archive.
 */
export async function restoreStream(
  js: JetStreamAccess,
  { config, state: saved, lastSeqMax }: SavedStream,
  chunks: AsyncIterable<Uint8Array>,
): Promise<void> {
  const { name } = config;
  // nats-server 2.12 and newer refuse a request with other fields.
  const { deliver_subject } = await open(js, { config, state: saved });
  for await (const chunk of chunks) await send(js, { name, subject: deliver_subject, chunk, timeoutMs: CHUNK_MS });
  const empty = new Uint8Array(0);
  const end = await send(js, { name, subject: deliver_subject, chunk: empty, timeoutMs: FINISH_MS });
  const { state } = v.parse(finishedSchema, end);
  if (state.last_seq >= saved.last_seq && state.last_seq <= lastSeqMax) return;
  throw failed(name, `it ends at message ${state.last_seq} instead of ${saved.last_seq}`);
}

async function open(js: JetStreamAccess, content: SnapshotContent) {
  const { name } = content.config;
  const reply = await callApi(js, `STREAM.RESTORE.${name}`, content, CHUNK_MS);
  if (reply.kind === "silent") throw failed(name, "JetStream does not answer");
  if (reply.kind === "refused") throw refused(content, reply.refusal);
  return v.parse(openedSchema, reply.body);
}

interface Part {
  readonly name: string;
  readonly subject: string;
  readonly chunk: Uint8Array;
  readonly timeoutMs: number;
}

/** Returns the body of the reply, undefined for that to a chunk. */
async function send({ nc }: JetStreamAccess, { name, subject, chunk, timeoutMs }: Part): Promise<unknown> {
  try {
    const { data } = await nc.request(subject, chunk, { timeout: timeoutMs });
    const body = parseJson(data);
    const refusal = refusalIn(body);
    if (refusal !== undefined) throw failed(name, `${refusal.text} (JetStream error ${refusal.code})`);
    return body;
  } catch (cause) {
    if (!(cause instanceof NatsError)) throw cause;
    if (cause.code === ErrorCode.NoResponders) throw failed(name, "JetStream has given up");
    throw new CbError(
      "unreachable",
      `the connection to NATS was lost while ${name} was restored: ${messageOf(cause)}`,
      {
        hint: "repeat the command: it goes on with the streams that are missing",
        cause,
      },
    );
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
