/**
 * The log: one JSON object a line, by pino. Secrets are kept out twice: by the names of the fields that carry them, and
 * by their looks wherever they stand, because an error's text may quote what it failed on.
 */

import { type DestinationStream, pino } from "pino";
import { CbError } from "./errors.ts";

export type Logger = pino.Logger;
type LogLevel = "trace" | "debug" | "info" | "warn" | "error" | "fatal" | "silent";

/** Fields that are never written, at the top or up to two levels down (pino has no wildcard for any depth). */
const SECRET_FIELDS = [
  "password",
  "token",
  "secret",
  "seed",
  "jwt",
  "creds",
  "credentials",
  "userData",
  "authorization",
];
const SECRET_PATHS = SECRET_FIELDS.flatMap((name) => [name, `*.${name}`, `*.*.${name}`]);

/** An nkey seed is S, a letter for its kind, and 56 of base32 (nkeys.js: 58 in all); a JWT is three base64url parts. */
const SECRET_LOOKS = /\bS[ACNOUX][A-Z2-7]{56}\b|\beyJ[\w-]{8,}\.[\w-]+\.[\w-]+/g;

export interface LogOptions {
  /** Which program writes, for whoever collects logs of several. */
  readonly name: string;
  /** Default info: every lifecycle change, and nothing that comes with each heartbeat. */
  readonly level?: LogLevel;
  /** Default standard error, synchronous, so that the last line before a crash is there. */
  readonly destination?: DestinationStream;
}

export function createLogger(options: LogOptions): Logger {
  return pino(
    {
      name: options.name,
      level: options.level ?? "info",
      redact: { paths: SECRET_PATHS, censor: "[secret]" },
      serializers: { err: describeError },
      timestamp: pino.stdTimeFunctions.isoTime,
      hooks: { streamWrite: (line) => line.replace(SECRET_LOOKS, "[secret]") },
    },
    options.destination ?? pino.destination({ dest: 2, sync: true }),
  );
}

/** An error of ours with its kind and hint; anything else is a bug and alone shows its stack. */
function describeError(error: unknown): Record<string, unknown> {
  if (error instanceof CbError) {
    const cause = error.cause === undefined ? {} : { cause: String(error.cause) };
    return { kind: error.kind, message: error.message, hint: error.hint, ...cause };
  }
  if (error instanceof Error) return { kind: "bug", message: error.message, stack: error.stack };
  return { kind: "bug", message: String(error) };
}
