/**
 * Puts an object into a bucket: constant memory, byte-bounded window, resumes through outages. The chunks can be read
 * while they arrive; the meta message, which makes it an object for the stock clients, comes when all are stored.
 */
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { nuid as newNuid } from "nats";
import type { JetStreamAccess } from "../nats/jetstream/api.ts";
import { Publisher } from "../nats/jetstream/publisher.ts";
import { OVERHEAD_BYTES } from "../nats/jetstream/send-window.ts";
import {
  bucketStream,
  chunkSubject,
  digestText,
  metaJson,
  metaSubject,
  type StoredObject,
} from "../protocol/object-layout.ts";
import { rechunk } from "./rechunk.ts";

export type { StoredObject } from "../protocol/object-layout.ts";

export interface PutOptions {
  readonly bucket: string;
  readonly name: string;
  /** Chosen beforehand with `newObjectId` where readers are told of it before the first chunk. */
  readonly nuid?: string;
  /** Default 128 KiB, as the stock clients have it: larger ones were no faster, and a reader's memory peaks 20 MiB higher with 512 KiB. */
  readonly chunkBytes?: number;
  /** Unacknowledged bytes. Default 4 MiB: a gigabit line of 30 ms is kept busy; what TLS and the socket hold comes on top, several times. */
  readonly windowBytes?: number;
  /** Without any acknowledgement for this long the window is sent again. Default 5 s. */
  readonly ackTimeoutMs?: number;
  readonly signal?: AbortSignal;
  /** Bytes that are stored by now. */
  readonly onProgress?: (storedBytes: number) => void;
  /** Milliseconds without an answer of NATS, every second; 0 when it answers again. */
  readonly onWaiting?: (silentMs: number) => void;
}

const CHUNK_BYTES = 128 * 1024;

/** An id for an object that is about to be put. */
export const newObjectId = (): string => newNuid.next();

/** The size of the chunks that `putObject` will make on this connection. */
export function chunkSize(js: JetStreamAccess, wantedBytes = CHUNK_BYTES): number {
  return Math.min(wantedBytes, (js.nc.info?.max_payload ?? CHUNK_BYTES) - OVERHEAD_BYTES);
}

/**
 * Resolves when the object is whole in the bucket. Rejects with what the source threw, or StreamFull, StreamSealed,
 * StreamNotFound, StreamBroken, NotAllowed, ConnectionClosed, Stopped (bus/stream-errors.ts); the chunks that were stored then stay until
 * the bucket goes, as removing them takes rights that a builder must not have.
 */
export async function putObject(
  js: JetStreamAccess,
  source: AsyncIterable<Uint8Array>,
  options: PutOptions,
): Promise<StoredObject> {
  const { bucket, name, nuid = newObjectId() } = options;
  const chunkBytes = chunkSize(js, options.chunkBytes);
  const subject = chunkSubject(bucket, nuid);
  const sha256 = createHash("sha256");
  let sizeBytes = 0;
  let chunks = 0;
  let storedBytes = 0;
  const publisher = new Publisher(js, {
    stream: bucketStream(bucket),
    windowBytes: options.windowBytes ?? 4 * 1024 * 1024,
    ...(options.ackTimeoutMs === undefined ? {} : { ackTimeoutMs: options.ackTimeoutMs }),
    ...(options.signal === undefined ? {} : { signal: options.signal }),
    ...(options.onWaiting === undefined ? {} : { onWaiting: options.onWaiting }),
    onStored: (bytes) => {
      storedBytes = Math.min(storedBytes + bytes, sizeBytes);
      options.onProgress?.(storedBytes);
    },
  });
  try {
    for await (const chunk of rechunk(source, chunkBytes)) {
      sha256.update(chunk);
      sizeBytes += chunk.length;
      chunks += 1;
      await publisher.publish(subject, chunk);
    }
    await publisher.flush();
    const object = { nuid, sizeBytes, chunks, digest: digestText(sha256.digest()) };
    await publisher.publish(metaSubject(bucket, name), Buffer.from(metaJson({ ...object, bucket, name, chunkBytes })));
    await publisher.flush();
    return object;
  } finally {
    publisher.close();
  }
}

/** Puts a file; rejects also with the error of node:fs when it cannot be read. */
export function putFile(js: JetStreamAccess, path: string, options: PutOptions): Promise<StoredObject> {
  return putObject(js, createReadStream(path, { highWaterMark: chunkSize(js, options.chunkBytes) }), options);
}
