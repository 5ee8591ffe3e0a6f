/** The bucket of one build on the test's own server, with short forms of put and get. */
import { DiscardPolicy } from "nats";
import type { JetStreamAccess } from "../../../lib/nats/jetstream/api.ts";
import { type GetOptions, getObject } from "../../../lib/transfer/get.ts";
import { type PutOptions, putObject, type StoredObject } from "../../../lib/transfer/put.ts";
import { consumerCount, type ServerWorld } from "./log-stream.ts";

export const BUCKET = "build-b1";
export const BUCKET_STREAM = `OBJ_${BUCKET}`;
export const MIB = 1024 * 1024;

/** Creates the bucket as the queue does: no rollups, discard=new, limited in bytes. */
export async function addBucket({ jsm }: ServerWorld, maxBytes = 1024 * MIB): Promise<void> {
  await jsm.streams.add({
    name: BUCKET_STREAM,
    subjects: [`$O.${BUCKET}.C.>`, `$O.${BUCKET}.M.>`],
    max_bytes: maxBytes,
    discard: DiscardPolicy.New,
    allow_rollup_hdrs: false,
  });
}

export const consumers = (world: ServerWorld): Promise<number> => consumerCount(world, BUCKET_STREAM);

/** Yields the data in pieces, and awaits `between` after each; `at` is the offset of that piece. */
export async function* pieces(
  data: Uint8Array,
  pieceBytes: number,
  between?: (at: number) => Promise<unknown>,
): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < data.length; at += pieceBytes) {
    yield data.subarray(at, at + pieceBytes);
    await between?.(at);
  }
}

export const put = (js: JetStreamAccess, data: Uint8Array, more: Partial<PutOptions> = {}): Promise<StoredObject> =>
  putObject(js, pieces(data, 100_000), { bucket: BUCKET, name: "image", ...more });

export async function getAll(
  js: JetStreamAccess,
  options: Partial<GetOptions> = {},
): Promise<{ data: Buffer; object: StoredObject }> {
  const parts: Uint8Array[] = [];
  const chunks = getObject(js, { bucket: BUCKET, name: "image", ...options });
  for (;;) {
    const step = await chunks.next();
    if (step.done) return { data: Buffer.concat(parts), object: step.value };
    parts.push(step.value);
  }
}
