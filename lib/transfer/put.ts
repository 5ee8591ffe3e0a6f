/**
 * Puts an object into a bucket in constant memory, with a window bounded in bytes, and continues after outages. Readers
 * can read the chunks at once. The meta message, which makes them an object for standard NATS clients, is published
 * when all are stored.
 */
import { createHash } from "node:crypto";
import { nuid as newNuid } from "nats";
import type { JetStreamAccess } from "../nats/jetstream/api.ts";
import { Publisher } from "../nats/jetstream/publisher.ts";
import type { RetryPolicy } from "../nats/jetstream/publisher-recovery.ts";
import { OVERHEAD_BYTES } from "../nats/jetstream/send-window.ts";
import {
  bucketStream,
  chunkSubject,
  digestText,
  metaJson,
  metaSubject,
  type StoredObject,
} from "../protocol/object-layout.ts";
import { fileRing } from "./file-ring.ts";
import { rechunk } from "./rechunk.ts";

export type { StoredObject } from "../protocol/object-layout.ts";

export interface PutOptions {
  readonly bucket: string;
  readonly name: string;
  /** An id from `newObjectId`, if readers are told of the object before its first chunk. Default: a new id. */
  readonly nuid?: string;
  /**
   * Default 128 KiB, as in the standard clients: larger chunks were no faster, and with 512 KiB a reader's memory peaks
   * 20 MiB higher.
   */
  readonly chunkBytes?: number;
  /** True: each piece of the source becomes a chunk as it is; the source bounds them. */
  readonly keepPieces?: boolean;
  /**
   * Bound on unacknowledged bytes. Default 4 MiB: fills a gigabit connection with 30 ms latency. TLS and the socket
   * buffer several times as much in addition.
   */
  readonly windowBytes?: number;
  /** After this long without an acknowledgement the window is sent again. Default 5 s. */
  readonly ackTimeoutMs?: number;
  /** See RetryPolicy. */
  readonly isDeleted?: (missingMs: number) => Promise<boolean>;
  readonly signal?: AbortSignal;
  /** Called with the number of bytes stored so far. */
  readonly onProgress?: (storedBytes: number) => void;
  /** As RetryPolicy.onWaiting. */
  readonly onWaiting?: NonNullable<RetryPolicy["onWaiting"]>;
}

const CHUNK_BYTES = 128 * 1024;
const WINDOW_BYTES = 4 * 1024 * 1024;

/** An id for an object that is about to be put. */
export const newObjectId = (): string => newNuid.next();

/** The size of the chunks of `putObject` on this connection: `preferredBytes`, or less if max_payload is smaller. */
export function chunkSize(js: JetStreamAccess, preferredBytes = CHUNK_BYTES): number {
  return Math.min(preferredBytes, (js.nc.info?.max_payload ?? CHUNK_BYTES) - OVERHEAD_BYTES);
}

/**
 * Resolves when the whole object is in the bucket. Rejects with the error of the source, or with StreamFull,
 * StreamSealed, StreamNotFound, StreamBroken, NotAllowed, ConnectionClosed or Stopped
 * (lib/nats/jetstream/stream-errors.ts). The stored chunks then stay until the bucket is deleted, because their removal
 * needs permissions that a builder must not have.
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
    windowBytes: options.windowBytes ?? WINDOW_BYTES,
    ...(options.ackTimeoutMs === undefined ? {} : { ackTimeoutMs: options.ackTimeoutMs }),
    ...(options.isDeleted === undefined ? {} : { isDeleted: options.isDeleted }),
    ...(options.signal === undefined ? {} : { signal: options.signal }),
    ...(options.onWaiting === undefined ? {} : { onWaiting: options.onWaiting }),
    onStored: (bytes) => {
      storedBytes = Math.min(storedBytes + bytes, sizeBytes);
      options.onProgress?.(storedBytes);
    },
  });
  try {
    for await (const chunk of options.keepPieces ? source : rechunk(source, chunkBytes)) {
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

/** Puts a file. Rejects like `putObject`, or with the error of node:fs if the file cannot be read. */
export function putFile(js: JetStreamAccess, path: string, options: PutOptions): Promise<StoredObject> {
  const { windowBytes = WINDOW_BYTES } = options;
  // The publisher holds a chunk until NATS has stored it.
  const chunks = fileRing(path, { chunkBytes: chunkSize(js, options.chunkBytes), heldBytes: windowBytes });
  return putObject(js, chunks, { ...options, windowBytes });
}
