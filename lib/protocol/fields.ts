/** The types of message fields, each with its bound. */
import * as v from "valibot";
import { isId, isUserKey, isUserName } from "./ids.ts";

/** The version of every message. A receiver refuses every other version. */
export const version = v.literal(
  1,
  "the queue and this program use different versions of the protocol; update the older one",
);

export const id = v.pipe(
  v.string(),
  v.check((text) => isId(text), "not a UUID in lower case"),
);
export const userName = v.pipe(
  v.string(),
  v.check((text) => isUserName(text), "not a user name"),
);
export const userKey = v.pipe(
  v.string(),
  v.check((text) => isUserKey(text), "not a public user key"),
);
/** A longer text for display is truncated to this. */
const LINE_MAX_CHARS = 2000;
/** Control and format characters (U+202E reverses the text behind it), and the line and paragraph separators. */
const CONTROL = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+/gu;
/**
 * One line of text for display. Characters that are not visible text are replaced on arrival, because the sender may be hostile and they would reach a
 * user's terminal. A long text is truncated instead of refused, because it often explains a failure.
 */
export const line = v.pipe(
  v.string(),
  v.transform((text) => text.slice(0, LINE_MAX_CHARS).replace(CONTROL, " ")),
);
/** A whole number of bytes, milliseconds or items. */
export const count = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
/** A NATS JWT. A builder's has 1.8 kB (measured). */
export const jwt = v.pipe(v.string(), v.maxLength(16_384));
/** The chunks of an agent have 128 KiB. Much smaller ones would need more space for their records than for their data. */
export const CHUNK_MIN_BYTES = 64 * 1024;
export const chunkBytes = v.pipe(v.number(), v.safeInteger(), v.minValue(CHUNK_MIN_BYTES), v.maxValue(8 * 1024 * 1024));
/** The id of one put into the object store. It is a token of a subject. */
export const nuid = v.pipe(v.string(), v.regex(/^[0-9A-Za-z]{22}$/, "not a NUID"));
/** A digest in the format of the object store. */
export const digest = v.pipe(v.string(), v.regex(/^SHA-256=[0-9A-Za-z_-]{43}=$/, "not a SHA-256 digest"));
/** The size of the caller's terminal. 10,000 is more than any real one has. */
export const terminal = v.object({
  columns: v.pipe(count, v.minValue(1), v.maxValue(10_000)),
  rows: v.pipe(count, v.minValue(1), v.maxValue(10_000)),
});
/** A path on the caller's disk, limited as in Linux (PATH_MAX). */
export const absolutePath = v.pipe(
  v.string(),
  v.startsWith("/"),
  v.maxBytes(4096),
  v.check((path) => !path.includes("\0"), "contains a NUL"),
);
/** The kinds of graphics processors that apptainer knows: `--nv` and `--rocm`. */
export const gpu = v.picklist(["nvidia", "rocm"], "must be nvidia or rocm");
export type Gpu = v.InferOutput<typeof gpu>;
/** The architecture of a machine, as `uname -m` prints it. */
export const architecture = v.pipe(v.string(), v.regex(/^[a-z0-9_]{1,32}$/, "not an architecture"));

/** In `reserve` and `status`: the JWT of the caller's credential. It is no secret, because it is worth nothing without its seed. */
export const renewableCredential = { credential: v.optional(jwt) };

/**
 * In their replies: a JWT for the same key, when the queue would now sign it with another key or with other rights. The client stores it
 * in place of the old one. Other users can forge a reply, so the client first connects with it.
 */
export const renewedCredential = { renewedCredential: v.optional(jwt) };
