/**
 * The layout of an object in the stream of a bucket of the NATS object store (ADR-20): the chunks, each a message on
 * `$O.<bucket>.C.<nuid>`, then one JSON message on `$O.<bucket>.M.<base64url of the name>`. It is compatible with the standard
 * clients in both directions.
 */
import * as v from "valibot";

/** A valid NUID or bucket name of the standard clients. Other text is refused, because it would become part of a subject. */
const TOKEN = /^[A-Za-z0-9_-]{1,64}$/;

function token(text: string): string {
  if (!TOKEN.test(text))
    throw new RangeError(`not a valid name of a bucket or an object: ${JSON.stringify(text.slice(0, 80))}`);
  return text;
}

export const bucketStream = (bucket: string): string => `OBJ_${token(bucket)}`;
export const chunkSubject = (bucket: string, nuid: string): string => `$O.${token(bucket)}.C.${token(nuid)}`;
export const metaSubject = (bucket: string, name: string): string =>
  `$O.${token(bucket)}.M.${paddedBase64Url(Buffer.from(name))}`;

/** A SHA-256 digest in the format of the standard clients. */
export const digestText = (sha256: Uint8Array): string => `SHA-256=${paddedBase64Url(sha256)}`;

/** With padding as in the standard clients. Node's base64url has none. */
function paddedBase64Url(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("base64").replaceAll("+", "-").replaceAll("/", "_");
}

/** A complete object in a bucket. */
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

/** The object of a meta message. Undefined for a deleted object, a link, or a body that is not a meta message. */
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

/** The meta message, with the fields that nats.js 2.29 writes. */
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
