/**
 * Stores the image of a build. If its caller has an older image, the agent first lists the chunks of the new one and then stores each
 * as a message of its own, so that the client can fetch just those that differ. The object `image` is the same whole image in
 * either case, for all who fetch it.
 */
import { type FileHandle, open } from "node:fs/promises";
import { Readable } from "node:stream";
import { CbError } from "../lib/core/errors.ts";
import type { JetStreamAccess } from "../lib/nats/jetstream/api.ts";
import type { AgentRequest, BuildOutcome, Lease } from "../lib/protocol/builder-messages.ts";
import { CHUNK_MIN_BYTES } from "../lib/protocol/fields.ts";
import { bucket } from "../lib/protocol/subjects.ts";
import { CHUNK_LIST, type Chunk, encodeChunkList, IMAGE_MAX_BYTES } from "../lib/transfer/delta/chunk-list.ts";
import { CHUNK_MAX_BYTES } from "../lib/transfer/delta/chunking.ts";
import { fileChunks } from "../lib/transfer/delta/file-chunks.ts";
import { chunkSize, newObjectId, putFile, putObject } from "../lib/transfer/put.ts";
import type { QueueClient } from "./queue-client.ts";

export type AnnouncedImage = Extract<AgentRequest, { state: "storing" }>["image"];

export interface StoreOptions {
  readonly lease: Pick<Lease, "build" | "listChunks">;
  readonly js: JetStreamAccess;
  readonly queue: QueueClient;
  readonly signal: AbortSignal;
  /** Tells the caller that the image is on its way. */
  readonly publishUploading: (image: AnnouncedImage) => Promise<void>;
}

/**
 * How long the agent repeats the request for storage. Space is freed when other callers have fetched their images;
 * after ten minutes without space the build ends with that reason instead of waiting on.
 */
const STORAGE_REFUSALS_MS = 10 * 60_000;

/** Throws CbError "infrastructure" when the queue reserves no space, the errors of putObject(), and those of node:fs. */
export async function storeImage(path: string, options: StoreOptions): Promise<BuildOutcome> {
  const file = await open(path);
  try {
    return await storeFile(file, path, options);
  } finally {
    await file.close();
  }
}

async function storeFile(file: FileHandle, path: string, options: StoreOptions): Promise<BuildOutcome> {
  const { lease, js, queue, signal } = options;
  const { size } = await file.stat();
  // A message is never larger than max_payload of this NATS.
  const fits = size <= IMAGE_MAX_BYTES && chunkSize(js, CHUNK_MAX_BYTES) === CHUNK_MAX_BYTES;
  const isListed = lease.listChunks === true && fits;
  const chunks = isListed ? await listChunks(file, signal) : undefined;
  // The records of listed chunks, and the list itself, take the space that is reserved for chunks of this size.
  const chunkBytes = chunks === undefined ? chunkSize(js) : CHUNK_MIN_BYTES;
  const image = { nuid: newObjectId(), bytes: size, chunkBytes };
  const reply = await queue.ask({ state: "storing", build: lease.build, image }, signal, STORAGE_REFUSALS_MS);
  if (reply.order !== "space-reserved")
    throw new CbError("infrastructure", `the queue reserved no space for the image: it replied ${reply.order}`);
  const put = { bucket: bucket(lease.build), signal };
  // Before the announcement: a client that finds no list then knows that there is none.
  if (chunks !== undefined) await putObject(js, Readable.from([encodeChunkList(chunks)]), { ...put, name: CHUNK_LIST });
  await options.publishUploading(image);
  const whole = { ...put, name: "image", nuid: image.nuid };
  const { digest } =
    chunks === undefined
      ? await putFile(js, path, { ...whole, chunkBytes })
      : await putObject(js, pieces(file, chunks), { ...whole, chunkBytes: CHUNK_MAX_BYTES, keepPieces: true });
  return { kind: "succeeded", bytes: size, digest };
}

async function listChunks(file: FileHandle, signal: AbortSignal): Promise<Chunk[]> {
  const chunks: Chunk[] = [];
  for await (const chunk of fileChunks(file, signal)) chunks.push(chunk);
  return chunks;
}

/** Each in a buffer of its own, because the publisher keeps it until NATS has stored it. */
async function* pieces(file: FileHandle, chunks: readonly Chunk[]): AsyncGenerator<Uint8Array> {
  let position = 0;
  for (const { bytes } of chunks) {
    const { buffer, bytesRead } = await file.read(Buffer.allocUnsafe(bytes), 0, bytes, position);
    if (bytesRead < bytes) throw new CbError("infrastructure", "the image became shorter while it was stored");
    position += bytes;
    yield buffer;
  }
}
