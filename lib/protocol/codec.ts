/**
 * JSON on the wire, seen here only: bounded in size before it is parsed, checked against its schema after. Rooms
 * beyond this one see typed values.
 */
import * as v from "valibot";
import { CbError } from "../core/errors.ts";

/** A message's JSON may be this long: the largest is a reservation, with a recipe of 1 MiB escaped for JSON. */
export const MESSAGE_MAX_BYTES = 4 * 1024 * 1024;

/** At most this many mistakes are named: a hostile message could hold a million. */
const ISSUES_SHOWN_MAX = 5;

/** What is said of one: valibot quotes what it found, and that may be megabytes on their way into a log. */
const ISSUE_MAX_CHARS = 200;

/** The deepest message of ours has five levels. JSON.parse takes 6 s for four million of them, in which a queue hears nobody. */
const NESTING_MAX = 32;

const decoder = new TextDecoder("utf-8", { fatal: true });
const encoder = new TextEncoder();

export type Schema<T> = v.GenericSchema<unknown, T>;

/** The message as it goes on the wire. */
export const encode = (value: unknown): Uint8Array => encoder.encode(JSON.stringify(value));

export interface Bounds {
  /** Default MESSAGE_MAX_BYTES. */
  readonly maxBytes?: number;
  /** Numbers, words, lists and objects together, names of fields aside. Default: as many as the bytes hold. */
  readonly maxValues?: number;
}

/**
 * Throws CbError "usage" that names `what` when the bytes are more than may be, no UTF-8, no JSON, nested too deep, of
 * too many values, or of the wrong shape.
 */
export function decode<T>(schema: Schema<T>, bytes: Uint8Array, what: string, bounds: Bounds = {}): T {
  const { maxBytes = MESSAGE_MAX_BYTES, maxValues = Number.POSITIVE_INFINITY } = bounds;
  if (bytes.length > maxBytes) throw new CbError("usage", `${what}: ${bytes.length} bytes, more than ${maxBytes}`);
  const excess = excessOf(bytes, maxValues);
  if (excess !== undefined) throw new CbError("usage", `${what}: ${excess}`);
  const result = v.safeParse(schema, parse(bytes, what), { abortPipeEarly: true });
  if (result.success) return result.output;
  throw new CbError("usage", `${what}: ${result.issues.slice(0, ISSUES_SHOWN_MAX).map(describe).join("; ")}`);
}

const [QUOTE, BACKSLASH, COMMA] = [0x22, 0x5c, 0x2c];
const OPENING = new Set([0x5b, 0x7b]);
const CLOSING = new Set([0x5d, 0x7d]);

/**
 * What there is too much of. Looked at before it is parsed, for parsing and checking cost by the value and not by the
 * byte; in what is no JSON the answer means nothing, and costs little.
 */
function excessOf(bytes: Uint8Array, maxValues: number): string | undefined {
  let depth = 0;
  let values = 1;
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at] ?? 0;
    if (byte === QUOTE) at = endOfWord(bytes, at + 1);
    if (CLOSING.has(byte)) depth -= 1;
    if (OPENING.has(byte)) depth += 1;
    // A value is the first of its list or object, or follows a comma.
    if (OPENING.has(byte) || byte === COMMA) values += 1;
    if (depth > NESTING_MAX) return `nested deeper than ${NESTING_MAX} levels`;
    if (values > maxValues) return `more than ${maxValues} values`;
  }
  return undefined;
}

/** Where the quote is that ends it. */
function endOfWord(bytes: Uint8Array, from: number): number {
  let at = from;
  while (at < bytes.length && bytes[at] !== QUOTE) at += bytes[at] === BACKSLASH ? 2 : 1;
  return at;
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
  return (path === null ? issue.message : `${path}: ${issue.message}`).slice(0, ISSUE_MAX_CHARS);
}
