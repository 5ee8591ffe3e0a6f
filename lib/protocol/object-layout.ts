/**
 * How the object store of NATS lays an object out in a bucket's stream (NATS ADR-20): the chunks, each a message on
 * `$O.<bucket>.C.<nuid>`, then one JSON message on `$O.<bucket>.M.<base64url of the name>`. The stock clients read what
 * follows this, and write what this reads.
 */
import * as v from "valibot";

/** What becomes a token of a subject: as nuid and the stock client's bucket names are. A hostile announcement stops here. */
const TOKEN = /^[A-Za-z0-9_-]{1,64}$/;

function token(text: string): string {
  if (!TOKEN.test(text))
    throw new RangeError(`not a name for a bucket or an object: ${JSON.stringify(text.slice(0, 80))}`);
  return text;
}

export const bucketStream = (bucket: string): string => `OBJ_${token(bucket)}`;
export const chunkSubject = (bucket: string, nuid: string): string => `$O.${token(bucket)}.C.${token(nuid)}`;
export const metaSubject = (bucket: string, name: string): string =>
  `$O.${token(bucket)}.M.${paddedBase64Url(Buffer.from(name))}`;

/** SHA-256 as the stock clients write it. */
export const digestText = (sha256: Uint8Array): string => `SHA-256=${paddedBase64Url(sha256)}`;

/** Like the stock clients, with padding; Node leaves it out. */
function paddedBase64Url(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("base64").replaceAll("+", "-").replaceAll("/", "_");
}

/** A whole object in a bucket. */
export interface StoredObject {
  readonly nuid: string;
  readonly sizeBytes: number;
  readonly chunks: number;
  /** `SHA-256=<padded base64url>`. */
  readonly digest: string;
}

const count = v.pipe(v.number(), v.integer(), v.minValue(0));

const metaSchema = v.object({
  name: v.string(),
  bucket: v.string(),
  nuid: v.pipe(v.string(), v.regex(TOKEN)),
  size: v.optional(count, 0),
  chunks: v.optional(count, 0),
  digest: v.pipe(v.string(), v.regex(/^SHA-256=[A-Za-z0-9_-]{43}=?$/)),
  deleted: v.optional(v.boolean(), false),
});

/** The object that a meta message describes; undefined when it is deleted, a link, or not a meta message at all. */
export function parseMeta(body: unknown): StoredObject | undefined {
  const parsed = v.safeParse(metaSchema, body);
  if (!parsed.success || parsed.output.deleted) return undefined;
  const { nuid, size, chunks, digest } = parsed.output;
  return { nuid, sizeBytes: size, chunks, digest };
}

export interface MetaFields extends StoredObject {
  readonly name: string;
  readonly bucket: string;
  readonly chunkBytes: number;
}

/** The meta message, field by field as nats.js 2.29 writes it. */
export function metaJson(object: MetaFields): string {
  return JSON.stringify({
    bucket: object.bucket,
    nuid: object.nuid,
    size: object.sizeBytes,
    chunks: object.chunks,
    name: object.name,
    description: "",
    options: { max_chunk_size: object.chunkBytes },
    mtime: new Date().toISOString(),
    digest: object.digest,
    deleted: false,
  });
}
