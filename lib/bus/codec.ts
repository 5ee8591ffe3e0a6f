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

/** The deepest message of ours has five levels. JSON.parse takes 6 s for four million of them, in which a queue hears nobody. */
const NESTING_MAX = 32;

const decoder = new TextDecoder("utf-8", { fatal: true });
const encoder = new TextEncoder();

export type Schema<T> = v.GenericSchema<unknown, T>;

/** The message as it goes on the wire. */
export const encode = (value: unknown): Uint8Array => encoder.encode(JSON.stringify(value));

/**
 * Throws CbError "usage" that names `what` when the bytes are more than `maxBytes`, no UTF-8, no JSON, nested too deep,
 * or of the wrong shape.
 */
export function decode<T>(schema: Schema<T>, bytes: Uint8Array, what: string, maxBytes = MESSAGE_MAX_BYTES): T {
  if (bytes.length > maxBytes) throw new CbError("usage", `${what}: ${bytes.length} bytes, more than ${maxBytes}`);
  if (isDeep(bytes)) throw new CbError("usage", `${what}: nested deeper than ${NESTING_MAX} levels`);
  const result = v.safeParse(schema, parse(bytes, what), { abortPipeEarly: true });
  if (result.success) return result.output;
  throw new CbError("usage", `${what}: ${result.issues.slice(0, ISSUES_SHOWN_MAX).map(describe).join("; ")}`);
}

const [QUOTE, BACKSLASH] = [0x22, 0x5c];
const [OPEN_LIST, CLOSE_LIST, OPEN_OBJECT, CLOSE_OBJECT] = [0x5b, 0x5d, 0x7b, 0x7d];

/** Looked at before it is parsed; in what is no JSON the answer means nothing, and costs little. */
function isDeep(bytes: Uint8Array): boolean {
  let depth = 0;
  let inString = false;
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at];
    if (byte === QUOTE) inString = !inString;
    else if (inString) at += byte === BACKSLASH ? 1 : 0;
    else if (byte === OPEN_LIST || byte === OPEN_OBJECT) depth += 1;
    else if (byte === CLOSE_LIST || byte === CLOSE_OBJECT) depth -= 1;
    if (depth > NESTING_MAX) return true;
  }
  return false;
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
