/**
 * JSON on the wire. Only this module parses it: it checks the size and nesting before parsing and the schema after, and returns
 * typed values.
 */
import * as v from "valibot";
import { CbError } from "../core/errors.ts";

/** The largest message. It is a reservation, with a recipe of 1 MiB escaped for JSON. */
export const MESSAGE_MAX_BYTES = 4 * 1024 * 1024;

/** The most schema errors in one error message, because a hostile message can have a million. */
const ISSUES_SHOWN_MAX = 5;

/** The text of each is truncated to this, because valibot quotes the input, which may be megabytes. */
const ISSUE_MAX_CHARS = 200;

/** The deepest message of this protocol has five levels. JSON.parse takes 6 s for four million, and blocks the queue meanwhile. */
const NESTING_MAX = 32;

const decoder = new TextDecoder("utf-8", { fatal: true });
const encoder = new TextEncoder();

export type Schema<T> = v.GenericSchema<unknown, T>;

/** The bytes to send for a message. */
export const encode = (value: unknown): Uint8Array => encoder.encode(JSON.stringify(value));

export interface Bounds {
  /** Default MESSAGE_MAX_BYTES. */
  readonly maxBytes?: number;
  /** Numbers, strings, arrays and objects together, without field names. Default: no limit besides maxBytes. */
  readonly maxValues?: number;
}

/**
 * Parses and checks one message, which `name` names in error messages. Throws CbError "usage" when there are too many bytes or
 * values, when it is nested too deep, is not JSON in UTF-8, or does not match the schema.
 */
export function decode<T>(schema: Schema<T>, bytes: Uint8Array, name: string, bounds: Bounds = {}): T {
  const { maxBytes = MESSAGE_MAX_BYTES, maxValues = Number.POSITIVE_INFINITY } = bounds;
  if (bytes.length > maxBytes) throw new CbError("usage", `${name}: ${bytes.length} bytes, more than ${maxBytes}`);
  const excess = excessOf(bytes, maxValues);
  if (excess !== undefined) throw new CbError("usage", `${name}: ${excess}`);
  const result = v.safeParse(schema, parse(bytes, name), { abortPipeEarly: true });
  if (result.success) return result.output;
  throw new CbError("usage", `${name}: ${result.issues.slice(0, ISSUES_SHOWN_MAX).map(describe).join("; ")}`);
}

const [QUOTE, BACKSLASH, COMMA] = [0x22, 0x5c, 0x2c];
const OPENING = new Set([0x5b, 0x7b]);
const CLOSING = new Set([0x5d, 0x7d]);

/**
 * The bound that the message exceeds, if any. It is checked before parsing, because the cost of parsing and checking depends on the
 * number of values, not of bytes. For bytes that are not JSON the result has no meaning.
 */
function excessOf(bytes: Uint8Array, maxValues: number): string | undefined {
  let depth = 0;
  let values = 1;
  for (let at = 0; at < bytes.length; at++) {
    const byte = bytes[at] ?? 0;
    if (byte === QUOTE) at = endOfString(bytes, at + 1);
    if (CLOSING.has(byte)) depth -= 1;
    if (OPENING.has(byte)) depth += 1;
    // A value is the first of its array or object, or follows a comma.
    if (OPENING.has(byte) || byte === COMMA) values += 1;
    if (depth > NESTING_MAX) return `nested deeper than ${NESTING_MAX} levels`;
    if (values > maxValues) return `more than ${maxValues} values`;
  }
  return undefined;
}

/** The index of the quote that ends a string. */
function endOfString(bytes: Uint8Array, from: number): number {
  let at = from;
  while (at < bytes.length && bytes[at] !== QUOTE) at += bytes[at] === BACKSLASH ? 2 : 1;
  return at;
}

function parse(bytes: Uint8Array, name: string): unknown {
  try {
    return JSON.parse(decoder.decode(bytes));
  } catch (cause) {
    throw new CbError("usage", `${name}: not JSON in UTF-8`, { cause });
  }
}

function describe(issue: v.GenericIssue): string {
  const path = v.getDotPath(issue);
  return (path === null ? issue.message : `${path}: ${issue.message}`).slice(0, ISSUE_MAX_CHARS);
}
