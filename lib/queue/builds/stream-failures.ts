/** Explains failed calls to a stream, with the remedy: NATS has no storage to reserve, or its disk is full. */
import { ErrorCode, NatsError } from "nats";
import { CbError } from "../../core/errors.ts";

/** JSStorageResourcesExceededErr and JSMemoryResourcesExceededErr (nats-server's errors.json). */
const NO_STORAGE: readonly number[] = [10047, 10028];
/** JSStreamStoreFailedF and JSStreamCreateErrF also carry the operating system's error; 2.10 and 2.15 reply with it. */
const DISK_FULL = /no space left on device|error creating store/;

const RESTART =
  "is the disk of NATS full? make space on it, then restart nats-server: 2.9 and 2.15 need that to write again";

/** For `catch`: throws CbError "infrastructure" for these failures, and every other error as it is. */
export const explained =
  (stream: string) =>
  (error: unknown): never => {
    throw explanation(stream, error) ?? error;
  };

function explanation(stream: string, error: unknown): CbError | undefined {
  if (!(error instanceof NatsError)) return undefined;
  if (NO_STORAGE.includes(codeOf(error) ?? 0)) {
    return new CbError("infrastructure", `NATS has no storage left for ${stream}`, {
      hint: "try again when other builds have ended; an operator can raise max_file of nats-server, or delete streams (cb-admin streams)",
      cause: error,
    });
  }
  if (error.code === ErrorCode.Timeout) {
    return new CbError("infrastructure", `the stream ${stream} does not answer`, { hint: RESTART, cause: error });
  }
  if (!DISK_FULL.test(error.api_error?.description ?? error.message)) return undefined;
  return new CbError("infrastructure", `NATS cannot write the stream ${stream}`, { hint: RESTART, cause: error });
}

/** JetStream's error code; undefined for an error of another origin. */
export const codeOf = (error: unknown): number | undefined =>
  error instanceof NatsError ? error.api_error?.err_code : undefined;
