/**
 * The one error class of this project. It is thrown only for a failure that its reader can act on: the message says what failed,
 * on what, with the value; the hint says what to do next. Every other thrown value is a bug, and only a bug shows its stack.
 */
import { constants } from "node:os";
import type { ErrorKind } from "./exit-codes.ts";

export class CbError extends Error {
  readonly kind: ErrorKind;
  /** The next step for the user: one sentence or a command. */
  readonly hint: string | undefined;

  constructor(kind: ErrorKind, message: string, options: { hint?: string; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? {} : { cause: options.cause });
    this.name = "CbError";
    this.kind = kind;
    this.hint = options.hint;
  }
}

/** The message of `error`, or its text when the thrown value is no Error. */
export function messageOf(error: unknown): string {
  return withNames(error instanceof Error ? error.message : String(error));
}

/** The code of a system error, such as ENOSPC; empty if it has none. */
export function codeOf(error: unknown): string {
  if (typeof error !== "object" || error === null || !("code" in error)) return "";
  return typeof error.code === "string" ? withNames(error.code) : "";
}

/** Node (libuv) has no name for EDQUOT, ESTALE and some other errors: their code is "Unknown system error -122". */
const UNNAMED = /Unknown system error -(\d+)/g;

const withNames = (text: string): string =>
  text.replace(UNNAMED, (unnamed, digits: string) => NAMES.get(Number(digits)) ?? unnamed);

const NAMES = new Map(Object.entries(constants.errno).map(([name, number]) => [number, name]));
