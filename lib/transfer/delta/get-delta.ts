/**
 * Gets an object of which the client has most parts in an older file: only the chunks that the older file lacks are fetched, each by
 * its number. Everything that the agent lists is unproven until the digest of the whole matches.
 */
import { createHash } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { unlessAborted } from "../../core/abort.ts";
import { CbError, messageOf } from "../../core/errors.ts";
import { callApi, type JetStreamAccess, parseJson, storedMessage } from "../../nats/jetstream/api.ts";
import { ERR_CODE, finalError, Stopped } from "../../nats/jetstream/stream-errors.ts";
import {
  bucketStream,
  chunkSubject,
  digestText,
  metaSubject,
  parseMeta,
  type StoredObject,
} from "../../protocol/object-layout.ts";
import { type GetOptions, getObject, isSameDigest, metaOf, ObjectDamaged } from "../get.ts";
import { CHUNK_LIST, decodeChunkList, IMAGE_MAX_BYTES, listMaxBytes } from "./chunk-list.ts";
import type { OldFile } from "./old-file.ts";
import { type DeltaPlan, isWorthwhile, type Part, planDelta } from "./plan.ts";

export interface DeltaOptions extends GetOptions {
  readonly announced: { readonly nuid: string; readonly sizeBytes: number };
  readonly signal: AbortSignal;
  readonly old: OldFile;
}

/** The delta did not give the object, with the reason for the user. The whole object may be intact. */
export class DeltaFailed extends CbError {
  constructor(reason: string, cause?: unknown) {
    super("infrastructure", reason, { cause });
    this.name = "DeltaFailed";
  }
}

/** Fetched chunks that wait for their turn: at most 2 MiB, and 20 MB/s at a round trip of 30 ms. */
const FETCHES_AHEAD = 8;
const RETRY_MS = 500;

/**
 * The plan, if it saves much; the reason why not otherwise. The agent stores the list before it announces the image. Throws as
 * getObject, and DeltaFailed when the list or the old file cannot be read.
 */
export async function findDelta(js: JetStreamAccess, options: DeltaOptions): Promise<DeltaPlan | string> {
  const { bucket, announced, signal, old } = options;
  const meta = await findMessage(js, options, { last_by_subj: metaSubject(bucket, CHUNK_LIST) });
  const object = meta === undefined ? undefined : parseMeta(parseJson(meta.data));
  if (object === undefined) return "the builder did not list the chunks of the new one";
  if (announced.sizeBytes > IMAGE_MAX_BYTES) return `the new one has more than ${IMAGE_MAX_BYTES} bytes`;
  const maxBytes = listMaxBytes(announced.sizeBytes);
  if (object.sizeBytes > maxBytes) throw new DeltaFailed(`the list of chunks has more than ${maxBytes} bytes`);
  const { nuid, sizeBytes } = object;
  const stored = await readWhole(getObject(js, { bucket, name: CHUNK_LIST, announced: { nuid, sizeBytes }, signal }));
  const list = decodeChunkList(stored, announced.sizeBytes);
  if (list === undefined) throw new DeltaFailed("the list of chunks is not that of the announced image");
  const index = await unlessAborted(old.index, signal).catch((error: unknown) => {
    if (signal.aborted) throw new Stopped(`getting ${options.name}`, error);
    throw new DeltaFailed(`the old file cannot be read (${messageOf(error)})`, error);
  });
  const plan = planDelta(list, index);
  return isWorthwhile(plan, announced.sizeBytes) ? plan : "more than half of the new one differs";
}

/** Bounded by the announced size. */
async function readWhole(chunks: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  try {
    for await (const part of chunks) parts.push(part);
  } catch (error) {
    throw error instanceof ObjectDamaged ? new DeltaFailed(error.message, error) : error;
  }
  return Buffer.concat(parts);
}

/**
 * Yields the parts in order, as soon as the whole object is stored, and returns the verified object. Throws DeltaFailed when the
 * digest, a length or the number of messages differs, or the old file cannot be read; otherwise as getObject. Repeats requests
 * without limit while NATS is unreachable.
 */
export async function* getDelta(
  js: JetStreamAccess,
  plan: DeltaPlan,
  options: DeltaOptions,
): AsyncGenerator<Uint8Array, StoredObject> {
  const { announced, signal, old } = options;
  const object = await metaOf(js, options, announced.nuid, signal);
  if (object.chunks !== plan.messages) {
    throw new DeltaFailed(`the image has ${object.chunks} messages, but ${plan.messages} chunks were listed`);
  }
  const sha256 = createHash("sha256");
  let doneBytes = 0;
  const fetched = fetchAhead(js, plan, options);
  for (const part of plan.parts) {
    if (signal.aborted) throw new Stopped(`getting ${options.name}`, signal.reason);
    const data = part.kind === "copy" ? await copy(old, part) : ((await fetched.next()).value ?? new Uint8Array());
    if (data.length !== part.bytes) throw new DeltaFailed("a chunk has another length than listed");
    sha256.update(data);
    doneBytes += data.length;
    options.onProgress?.(doneBytes);
    yield data;
  }
  const digest = digestText(sha256.digest());
  if (!isSameDigest(digest, object.digest)) {
    throw new DeltaFailed(
      "the result has another digest than the image; the old file was changed, or the list was wrong",
    );
  }
  return object;
}

async function copy(old: OldFile, { offset, bytes }: Extract<Part, { kind: "copy" }>): Promise<Uint8Array> {
  const data = await old.read(offset, bytes).catch((error: unknown) => {
    throw new DeltaFailed(`the old file cannot be read (${messageOf(error)})`, error);
  });
  if (data === undefined) throw new DeltaFailed("the old file has become shorter");
  return data;
}

/** Yields the chunks to fetch, in order. */
async function* fetchAhead(
  js: JetStreamAccess,
  plan: DeltaPlan,
  options: DeltaOptions,
): AsyncGenerator<Uint8Array, undefined> {
  const wanted = plan.parts.flatMap((part) => (part.kind === "fetch" ? [part.message] : []));
  if (wanted.length === 0) return undefined;
  const { bucket, announced } = options;
  // Messages of one object follow each other: its agent is the only writer of the bucket.
  const last = await getMessage(js, options, { last_by_subj: chunkSubject(bucket, announced.nuid) });
  const firstSeq = last.seq - plan.messages + 1;
  if (firstSeq < 1) throw new DeltaFailed("NATS has fewer messages of the image than listed");
  const pending: Promise<Uint8Array>[] = [];
  for (let next = 0; next < wanted.length || pending.length > 0; ) {
    for (; pending.length < FETCHES_AHEAD && next < wanted.length; next += 1) {
      const fetching = getMessage(js, options, { seq: firstSeq + (wanted[next] as number) }).then(({ data }) => data);
      // One that is never awaited, because an earlier one failed, must not be an unhandled rejection.
      fetching.catch(() => undefined);
      pending.push(fetching);
    }
    yield (await pending.shift()) as Uint8Array;
  }
  return undefined;
}

/** The stored message; undefined if there is none. Repeats the request until NATS answers. */
async function findMessage(js: JetStreamAccess, options: DeltaOptions, query: object) {
  const { bucket, name, signal, onWaiting } = options;
  const stream = bucketStream(bucket);
  const sinceMs = performance.now();
  for (let isWaiting = false; ; isWaiting = true) {
    if (signal.aborted) throw new Stopped(`getting ${name}`, signal.reason);
    const reply = await callApi(js, `STREAM.MSG.GET.${stream}`, query);
    if (reply.kind === "ok") {
      if (isWaiting) onWaiting?.(0);
      return storedMessage(reply.body);
    }
    if (reply.kind === "refused") {
      if (reply.refusal.code === ERR_CODE.noMessageFound) return undefined;
      const final = finalError(stream, reply.refusal);
      if (final !== undefined) throw final;
    }
    onWaiting?.(performance.now() - sinceMs);
    await sleep(RETRY_MS, undefined, { signal }).catch(() => undefined);
  }
}

async function getMessage(js: JetStreamAccess, options: DeltaOptions, query: object) {
  const message = await findMessage(js, options, query);
  if (message === undefined) throw new DeltaFailed("NATS lacks a message of the image");
  return message;
}
