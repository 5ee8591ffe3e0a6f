/** Explains failed calls to a stream, with the remedy: NATS has no storage to reserve, its disk is full, or it does not answer. */
import { ErrorCode, NatsError } from "nats";
import { CbError } from "../../core/errors.ts";
import { DISK_FULL } from "./stream-errors.ts";

/** JSStorageResourcesExceededErr and JSMemoryResourcesExceededErr (nats-server's errors.json). */
const NO_STORAGE: readonly number[] = [10047, 10028];

/** The remedy of an operator. nats-server 2.9.10 does not end at SIGTERM then (measured), so systemd kills it after its time limit. */
export const RESTART =
  "is the disk of NATS full? an operator makes space on it, then restarts nats-server (it may write some streams again only after that)";

/** A copy of `error` as CbError "infrastructure" for these failures; undefined for every other error. */
export function explanation(stream: string, error: unknown): CbError | undefined {
  if (!(error instanceof NatsError)) return undefined;
  if (isNoStorage(error)) {
    return new CbError("infrastructure", `NATS has no storage left for ${stream}`, {
      hint: "try again when other builds have ended; an operator can raise max_file of nats-server, or delete streams (cb-admin streams)",
      cause: error,
    });
  }
  if (error.code === ErrorCode.Timeout) {
    return new CbError("infrastructure", doesNotAnswer(stream), { hint: RESTART, cause: error });
  }
  if (!isDiskFull(error)) return undefined;
  return new CbError("infrastructure", `NATS cannot write ${stream}: its disk is full`, {
    hint: RESTART,
    cause: error,
  });
}

/** True also of the explained error. */
export const isNoStorage = (error: unknown): boolean =>
  NO_STORAGE.includes(codeOf(error instanceof CbError ? error.cause : error) ?? 0);

export const isDiskFull = (error: unknown): boolean =>
  error instanceof NatsError && DISK_FULL.test(error.api_error?.description ?? error.message);

export const doesNotAnswer = (stream: string): string => `${stream} of NATS does not answer`;

/** JetStream's error code; undefined for an error of another origin. */
export const codeOf = (error: unknown): number | undefined =>
  error instanceof NatsError ? error.api_error?.err_code : undefined;
