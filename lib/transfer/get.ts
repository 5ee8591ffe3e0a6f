/**
 * Gets an object from a bucket, also while it is still being put. The chunks arrive in order, with back-pressure, in
 * constant memory, and across restarts of NATS. Size and digest are verified before the iteration ends.
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
  /**
   * Id and size that the writer announced before or during the put. Without it the whole object must be in the bucket.
   */
  readonly announced?: { readonly nuid: string; readonly sizeBytes?: number };
  readonly signal?: AbortSignal;
  /** Called with the number of bytes yielded so far. */
  readonly onProgress?: (receivedBytes: number) => void;
  /** Called by two readers, each as ReaderOptions.onWaiting. */
  readonly onWaiting?: (silentMs: number) => void;
  /** Bound on bytes that wait for the caller. Default 4 MiB. */
  readonly windowBytes?: number;
  readonly heartbeatMs?: number;
}

/** The received bytes are not those of the object. */
export class ObjectDamaged extends CbError {
  constructor(name: string, text: string) {
    super("infrastructure", `object ${name} is damaged: ${text}`, {
      hint: "get it again; if that fails too, build it again",
    });
    this.name = "ObjectDamaged";
  }
}

/**
 * The object of this name in the bucket; undefined if there is none. Throws like `getObject`, and CbError "unreachable"
 * after three attempts without a reply.
 */
export async function findObject(js: JetStreamAccess, bucket: string, name: string): Promise<StoredObject | undefined> {
  const stream = bucketStream(bucket);
  for (let attempt = 0; attempt < 3; attempt += 1) {
    const reply = await callApi(js, `STREAM.MSG.GET.${stream}`, { last_by_subj: metaSubject(bucket, name) });
    if (reply.kind === "ok") return parseMeta(parseJson(storedMessage(reply.body)?.data ?? new Uint8Array()));
    if (reply.kind === "silent") continue;
    if (reply.refusal.code === ERR_CODE.noMessageFound) return undefined;
    const final = finalError(stream, reply.refusal);
    if (final !== undefined) throw final;
  }
  throw new CbError("unreachable", `NATS does not answer the request for object ${name} in ${bucket}`, {
    hint: "try again later",
  });
}

/**
 * Yields the chunks and returns the verified object. Throws ObjectDamaged (size or digest differ, a chunk is missing,
 * or the size is not the announced one), CbError "infrastructure" if there is no such object, StreamNotFound,
 * NotAllowed, ConnectionClosed, and Stopped after `signal`. Waits without limit while NATS is unreachable or the put of
 * an announced object makes no progress.
 */
export async function* getObject(js: JetStreamAccess, options: GetOptions): AsyncGenerator<Uint8Array, StoredObject> {
  const { bucket, name, announced } = options;
  const whole = announced === undefined ? await findObject(js, bucket, name) : undefined;
  const nuid = announced?.nuid ?? whole?.nuid;
  if (nuid === undefined) {
    throw new CbError("infrastructure", `there is no complete object ${name} in ${bucket}`, {
      hint: "its upload may have failed or may still be running",
    });
  }
  const stop = new AbortController();
  const signal = options.signal === undefined ? stop.signal : AbortSignal.any([options.signal, stop.signal]);
  const chunks = new StreamReader(js, { ...readerOptions(options), filter: chunkSubject(bucket, nuid), signal });
  let object = whole;
  // All chunks are stored before the meta message, so after it no further chunk will arrive.
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
      // The announced size applies, even if the meta message has arrived and contains another one.
      const limitBytes = announced?.sizeBytes ?? object?.sizeBytes;
      if (receivedBytes > (limitBytes ?? Number.POSITIVE_INFINITY)) {
        throw new ObjectDamaged(name, `it has more than the announced ${limitBytes} bytes`);
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
      throw new ObjectDamaged(name, `it has ${receivedBytes} bytes, but ${announced.sizeBytes} were announced`);
    }
    return verified;
  } finally {
    stop.abort();
    await meta.catch(() => undefined);
  }
}

/**
 * Waits for the meta message with this nuid: then the whole object is stored. Other objects of the same name are from earlier
 * attempts. Throws Stopped after `signal`, and the errors of a reader.
 */
export async function metaOf(
  js: JetStreamAccess,
  options: Pick<GetOptions, "bucket" | "name" | "onWaiting" | "heartbeatMs" | "signal">,
  nuid: string,
  signal: AbortSignal,
): Promise<StoredObject> {
  const { heartbeatMs, bucket, name, onWaiting } = options;
  const metas = new StreamReader(js, {
    stream: bucketStream(bucket),
    filter: metaSubject(bucket, name),
    signal,
    ...(onWaiting === undefined ? {} : { onWaiting }),
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
    throw new ObjectDamaged(name, `only ${receivedBytes} of its ${object.sizeBytes} bytes arrived`);
  }
  if (!isSameDigest(digest, object.digest)) {
    throw new ObjectDamaged(name, `its digest is ${digest}, not ${object.digest}`);
  }
}

/** Some clients omit the padding. */
export const isSameDigest = (one: string, other: string): boolean =>
  one.replace(/=+$/, "") === other.replace(/=+$/, "");

function readerOptions(options: GetOptions): Omit<ReaderOptions, "filter" | "signal"> {
  const { bucket, onWaiting, windowBytes, heartbeatMs } = options;
  return {
    stream: bucketStream(bucket),
    ...(onWaiting === undefined ? {} : { onWaiting }),
    ...(windowBytes === undefined ? {} : { windowBytes }),
    ...(heartbeatMs === undefined ? {} : { heartbeatMs }),
  };
}
