/**
 * Gets an object out of a bucket, also while it is still being put: chunks in order with back-pressure, constant memory,
 * through restarts of NATS; size and digest are checked before the iteration ends.
 */
import { createHash } from "node:crypto";
import { CbError } from "../core/errors.ts";
import { callApi, type JetStreamAccess, parseJson, storedMessage } from "../nats/jetstream/api.ts";
import { type ReaderOptions, StreamReader } from "../nats/jetstream/reader.ts";
import { ERR_CODE, finalError, Stopped } from "../nats/jetstream/stream-errors.ts";
import {
  bucketStream,
  chunkSubject,
  digestText,
  metaSubject,
  parseMeta,
  type StoredObject,
} from "../protocol/object-layout.ts";

export interface GetOptions {
  readonly bucket: string;
  readonly name: string;
  /** An object that is being put now, or already was: what its putter announced. Without it the object must be whole. */
  readonly announced?: { readonly nuid: string; readonly sizeBytes?: number };
  readonly signal?: AbortSignal;
  /** Bytes handed over so far. */
  readonly onProgress?: (receivedBytes: number) => void;
  /** Milliseconds without an answer of NATS, every second; 0 when it answers again. */
  readonly onWaiting?: (silentMs: number) => void;
  /** At most this much waits for the taker. Default 4 MiB. */
  readonly windowBytes?: number;
  readonly heartbeatMs?: number;
}

/** What came is not what was put. */
export class ObjectDamaged extends CbError {
  constructor(name: string, text: string) {
    super("infrastructure", `object ${name} came damaged: ${text}`, {
      hint: "get it again; if it repeats, build again",
    });
    this.name = "ObjectDamaged";
  }
}

/** The object in the bucket now; undefined when there is none of this name. Throws as `getObject`. */
export async function findObject(js: JetStreamAccess, bucket: string, name: string): Promise<StoredObject | undefined> {
  const stream = bucketStream(bucket);
  for (let tries = 0; tries < 3; tries += 1) {
    const answer = await callApi(js, `STREAM.MSG.GET.${stream}`, { last_by_subj: metaSubject(bucket, name) });
    if (answer.kind === "ok") return parseMeta(parseJson(storedMessage(answer.body)?.data ?? new Uint8Array()));
    if (answer.kind === "silent") continue;
    if (answer.refusal.code === ERR_CODE.noMessageFound) return undefined;
    const final = finalError(stream, answer.refusal);
    if (final !== undefined) throw final;
  }
  throw new CbError("unreachable", `NATS does not answer about object ${name} in ${bucket}`, {
    hint: "try again later",
  });
}

/**
 * Yields the chunks and returns what was verified. Throws ObjectDamaged (size or digest differ, a chunk is missing, the
 * size is not the announced one), CbError "infrastructure" when there is no such object, StreamNotFound, NotAllowed,
 * ConnectionClosed, and Stopped by `signal`. Waits for ever while NATS is away, or an announced object does not go on.
 */
export async function* getObject(js: JetStreamAccess, options: GetOptions): AsyncGenerator<Uint8Array, StoredObject> {
  const { bucket, name, announced } = options;
  const whole = announced === undefined ? await findObject(js, bucket, name) : undefined;
  const nuid = announced?.nuid ?? whole?.nuid;
  if (nuid === undefined) {
    throw new CbError("infrastructure", `there is no object ${name} in ${bucket}`, {
      hint: "was it put, and put whole?",
    });
  }
  const stop = new AbortController();
  const signal = options.signal === undefined ? stop.signal : AbortSignal.any([options.signal, stop.signal]);
  const chunks = new StreamReader(js, { ...readerOptions(options), filter: chunkSubject(bucket, nuid), signal });
  let object = whole;
  // All chunks were stored before the meta message: once it is there, nothing more will come.
  const meta = (whole === undefined ? metaOf(js, options, nuid, signal) : Promise.resolve(whole)).then((found) => {
    object = found;
    chunks.stopWhenCaughtUp();
    return found;
  });
  meta.catch(() => stop.abort());
  const sha256 = createHash("sha256");
  let receivedBytes = 0;
  try {
    for await (const { data } of chunks) {
      receivedBytes += data.length;
      // What was announced holds, whether or not the meta message, which may say otherwise, is there already.
      const limitBytes = announced?.sizeBytes ?? object?.sizeBytes;
      if (receivedBytes > (limitBytes ?? Number.POSITIVE_INFINITY)) {
        throw new ObjectDamaged(name, `more than the ${limitBytes} bytes announced`);
      }
      sha256.update(data);
      options.onProgress?.(receivedBytes);
      yield data;
      if (receivedBytes === limitBytes) break;
    }
    const verified = await meta;
    if (options.signal?.aborted) throw new Stopped(`getting ${name}`, options.signal.reason);
    verify(name, verified, receivedBytes, digestText(sha256.digest()));
    if (announced?.sizeBytes !== undefined && announced.sizeBytes !== receivedBytes) {
      throw new ObjectDamaged(name, `${receivedBytes} bytes came where ${announced.sizeBytes} were announced`);
    }
    return verified;
  } finally {
    stop.abort();
    await meta.catch(() => undefined);
  }
}

/** Waits for the meta message of this very object; others of the same name are earlier attempts. */
async function metaOf(
  js: JetStreamAccess,
  options: GetOptions,
  nuid: string,
  signal: AbortSignal,
): Promise<StoredObject> {
  const { heartbeatMs, bucket, name } = options;
  const metas = new StreamReader(js, {
    stream: bucketStream(bucket),
    filter: metaSubject(bucket, name),
    signal,
    ...(heartbeatMs === undefined ? {} : { heartbeatMs }),
  });
  for await (const { data } of metas) {
    const object = parseMeta(parseJson(data));
    if (object?.nuid === nuid) return object;
  }
  throw new Stopped(`getting ${name}`, options.signal?.reason);
}

function verify(name: string, object: StoredObject, receivedBytes: number, digest: string): void {
  if (receivedBytes !== object.sizeBytes) {
    throw new ObjectDamaged(name, `${receivedBytes} of ${object.sizeBytes} bytes came`);
  }
  // The padding is left out by some clients.
  if (digest.replace(/=+$/, "") !== object.digest.replace(/=+$/, "")) {
    throw new ObjectDamaged(name, `its digest is ${digest}, not ${object.digest}`);
  }
}

function readerOptions(options: GetOptions): Omit<ReaderOptions, "filter" | "signal"> {
  const { bucket, onWaiting, windowBytes, heartbeatMs } = options;
  return {
    stream: bucketStream(bucket),
    ...(onWaiting === undefined ? {} : { onWaiting }),
    ...(windowBytes === undefined ? {} : { windowBytes }),
    ...(heartbeatMs === undefined ? {} : { heartbeatMs }),
  };
}
