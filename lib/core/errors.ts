/**
 * The failures this project knows, and the exit code of each.
 *
 * A failure is an error of ours only when somebody can act on it: its message says what failed, on what, with the
 * value; its hint says what to do next. Anything else that is thrown is a bug, and alone shows a stack.
 */

/** Exit codes follow sysexits(3) where it has a word for the case; 1 and 130 are what shells and users expect. */
export const EXIT_CODES = {
  /** The recipe failed: the build ran, and what it ran returned an error. */
  recipe: 1,
  /** Something the caller must change in the call or in the files named in it (EX_USAGE). */
  usage: 64,
  /** NATS or the queue cannot be reached (EX_UNAVAILABLE). */
  unreachable: 69,
  /** Our own bug (EX_SOFTWARE). */
  bug: 70,
  /** The image cannot be written: directory, rights, full disk (EX_CANTCREAT). */
  output: 73,
  /** The infrastructure failed and the same call may work later (EX_TEMPFAIL). */
  infrastructure: 75,
  /** The caller is not allowed to do this (EX_NOPERM). */
  denied: 77,
  /** A setting is missing or wrong (EX_CONFIG). */
  config: 78,
  /** Cancelled by the user: 128 + SIGINT, as shells have it. */
  cancelled: 130,
} as const;

export type ErrorKind = keyof typeof EXIT_CODES;

export class CbError extends Error {
  readonly kind: ErrorKind;
  /** What to do next, one sentence or a command. */
  readonly hint: string | undefined;

  constructor(kind: ErrorKind, message: string, options: { hint?: string; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? {} : { cause: options.cause });
    this.name = "CbError";
    this.kind = kind;
    this.hint = options.hint;
  }
}

/** The error's own words, whatever was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
