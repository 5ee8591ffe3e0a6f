/**
 * JSON on the wire, seen here only: bounded in size before it is parsed, checked against its schema after. Rooms
 * beyond this one see typed values.
 */
import * as v from "valibot";
import { CbError } from "../errors.ts";

/** A message's JSON may be this long: the largest is a reservation, with a recipe of 1 MiB escaped for JSON. */
export const MESSAGE_MAX_BYTES = 4 * 1024 * 1024;

/** At most this many mistakes are named: a hostile message could hold a million. */
const ISSUES_SHOWN_MAX = 5;

const decoder = new TextDecoder("utf-8", { fatal: true });
const encoder = new TextEncoder();

export type Schema<T> = v.GenericSchema<unknown, T>;

/** The message as it goes on the wire. */
export const encode = (value: unknown): Uint8Array => encoder.encode(JSON.stringify(value));

/** Throws CbError "usage" that names `what` when the bytes are too many, no UTF-8, no JSON, or of the wrong shape. */
export function decode<T>(schema: Schema<T>, bytes: Uint8Array, what: string): T {
  if (bytes.length > MESSAGE_MAX_BYTES) {
    throw new CbError("usage", `${what}: ${bytes.length} bytes, more than ${MESSAGE_MAX_BYTES}`);
  }
  const result = v.safeParse(schema, parse(bytes, what), { abortPipeEarly: true });
  if (result.success) return result.output;
  throw new CbError("usage", `${what}: ${result.issues.slice(0, ISSUES_SHOWN_MAX).map(describe).join("; ")}`);
}

function parse(bytes: Uint8Array, what: string): unknown {
  try {
    return JSON.parse(decoder.decode(bytes));
  } catch (cause) {
    throw new CbError("usage", `${what}: not JSON in UTF-8`, { cause });
  }
}

function describe(issue: v.GenericIssue): string {
  const path = v.getDotPath(issue);
  return path === null ? issue.message : `${path}: ${issue.message}`;
}
