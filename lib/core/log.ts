/**
 * The log: one JSON object a line, written by pino. Two filters keep secrets out: fields with a secret's name are redacted, and
 * text with the format of a seed or a JWT is replaced wherever it appears, because an error's message may quote its input.
 */

import { type DestinationStream, pino } from "pino";
import { CbError } from "./errors.ts";

export type Logger = pino.Logger;
type LogLevel = "trace" | "debug" | "info" | "warn" | "error" | "fatal" | "silent";

/** Fields that are redacted at the top level and up to two levels down (pino has no wildcard for any depth). */
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

/**
 * The format of secrets. An nkey seed has 58 characters: S, a letter for its role, and 56 of base32 (nkeys.js). A JWT has three
 * base64url parts.
 */
const SECRET_TEXT = /\bS[ACNOUX][A-Z2-7]{56}\b|\beyJ[\w-]{8,}\.[\w-]+\.[\w-]+/g;

export interface LogOptions {
  /** The program that writes, for an operator who collects the logs of several. */
  readonly name: string;
  /** Default info: it has every change of state, and nothing that each heartbeat would repeat. */
  readonly level?: LogLevel;
  /** Default standard error, written synchronously so that the last line before a crash is not lost. */
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
      hooks: { streamWrite: (line) => line.replace(SECRET_TEXT, "[secret]") },
    },
    options.destination ?? pino.destination({ dest: 2, sync: true }),
  );
}

/** A CbError has its kind and hint. Every other error is a bug, and only a bug shows its stack. */
function describeError(error: unknown): Record<string, unknown> {
  if (error instanceof CbError) {
    const cause = error.cause === undefined ? {} : { cause: String(error.cause) };
    return { kind: error.kind, message: error.message, hint: error.hint, ...cause };
  }
  if (error instanceof Error) return { kind: "bug", message: error.message, stack: error.stack };
  return { kind: "bug", message: String(error) };
}
