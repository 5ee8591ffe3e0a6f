/** The fields that messages are made of, each with its bound. */
import * as v from "valibot";
import { isId, isUserKey, isUserName } from "./ids.ts";

/** The version of every message; a receiver refuses what it does not know. */
export const version = v.literal(1, "this queue and this program speak different versions; update the older one");

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
/** Longer words for people than this are cut. */
const LINE_MAX_CHARS = 2000;
const CONTROL = /\p{Cc}+/gu;
/**
 * One line for people, made so on arrival: strangers write it, and a control character would reach somebody's terminal.
 * Cut rather than refused, since it explains something just when something is wrong.
 */
export const line = v.pipe(
  v.string(),
  v.transform((text) => text.slice(0, LINE_MAX_CHARS).replace(CONTROL, " ")),
);
/** Whole number of bytes, milliseconds or things. */
export const count = v.pipe(v.number(), v.safeInteger(), v.minValue(0));
/** A NATS JWT: 1.8 kB was measured for a builder's. */
export const jwt = v.pipe(v.string(), v.maxLength(16_384));
/** Chunks as agents make them are of 128 KiB; much smaller ones would cost more in records than they hold. */
export const CHUNK_MIN_BYTES = 64 * 1024;
export const chunkBytes = v.pipe(v.number(), v.safeInteger(), v.minValue(CHUNK_MIN_BYTES), v.maxValue(8 * 1024 * 1024));
/** The object store's name of one put: it becomes a subject token. */
export const nuid = v.pipe(v.string(), v.regex(/^[0-9A-Za-z]{22}$/, "not a NUID"));
/** As the object store writes it. */
export const digest = v.pipe(v.string(), v.regex(/^SHA-256=[0-9A-Za-z_-]{43}=$/, "not a SHA-256 digest"));
/** The size of the caller's terminal; nobody has one of 10,000 columns. */
export const terminal = v.object({
  columns: v.pipe(count, v.minValue(1), v.maxValue(10_000)),
  rows: v.pipe(count, v.minValue(1), v.maxValue(10_000)),
});
/** A path of the caller's, as Linux bounds it (PATH_MAX). */
export const absolutePath = v.pipe(
  v.string(),
  v.startsWith("/"),
  v.maxBytes(4096),
  v.check((path) => !path.includes("\0"), "has a NUL in it"),
);
/** The machine's own name for what it is, as `uname -m` has it. */
export const architecture = v.pipe(v.string(), v.regex(/^[a-z0-9_]{1,32}$/, "not an architecture"));
