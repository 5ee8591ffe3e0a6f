/**
 * The refusals of JetStream that no retry fixes, one class each, and the numbers that identify them: `err_code` in
 * server/errors.json of nats-server (the text varies between versions, the number does not).
 */
import { CbError } from "../../core/errors.ts";

/** A refusal by JetStream, with its text. `code` is its err_code, or the HTTP-like status if it has none. */
export interface Refusal {
  readonly code: number;
  readonly status: number;
  readonly text: string;
}

export const ERR_CODE = {
  /** JSStreamWrongLastMsgIDErrF: the message before this one is not the last of the stream. */
  wrongLastMsgId: 10070,
  /** JSStreamNotFoundErr. */
  streamNotFound: 10059,
  /** JSNoMessageFoundErr. */
  noMessageFound: 10037,
} as const;

/**
 * JSStreamStoreFailedF (max_bytes or max_msgs reached), JSStorageResourcesExceededErr, JSInsufficientResourcesErr,
 * JSMemoryResourcesExceededErr.
 */
const FULL_CODES: readonly number[] = [10077, 10047, 10023, 10028];
/**
 * JSStreamDuplicateMessageConflict (2.10 and later: the first copy is still being replicated),
 * JSMaximumConsumersLimitErr.
 */
const TEMPORARY_CODES: readonly number[] = [10158, 10026];
/** JSStreamStoreFailedF and JSStreamCreateErrF also carry the error of the operating system or of the file store. */
export const DISK_FULL = /no space left on device|error creating store/;
/** JSStreamReplicasNotSupportedErr, and JSClusterNoPeersErr: JetStream has fewer servers than replicas. */
export const TOO_FEW_SERVERS_CODES: readonly number[] = [10074, 10005];
/** JSStreamSealedErr. */
const SEALED_CODE = 10109;

/** The stream has reached max_bytes or max_msgs (discard=new). */
export class StreamFull extends CbError {
  constructor(stream: string, text: string) {
    super("infrastructure", `stream ${stream} is full: ${text}`, {
      hint: "write less, or raise the limit of the stream",
    });
    this.name = "StreamFull";
  }
}

/** The stream is sealed: the build is over. */
export class StreamSealed extends CbError {
  constructor(stream: string) {
    super("infrastructure", `stream ${stream} is sealed and accepts no more messages`, { hint: "the build is over" });
    this.name = "StreamSealed";
  }
}

/** The stream does not exist, or was deleted. */
export class StreamNotFound extends CbError {
  constructor(stream: string) {
    super("infrastructure", `there is no stream ${stream}`, { hint: "the build is over and its retention has passed" });
    this.name = "StreamNotFound";
  }
}

/** The stream was replaced by another, or restored from a backup. */
export class StreamBroken extends CbError {
  constructor(stream: string, text: string) {
    super("infrastructure", `stream ${stream} was replaced or restored: ${text}`, { hint: "start the build again" });
    this.name = "StreamBroken";
  }
}

/** NATS does not allow this credential to use the subject. */
export class NotAllowed extends CbError {
  constructor(subject: string) {
    super("denied", `NATS does not allow this credential to use ${subject}`, {
      hint: "the credential is for another build, or has expired",
    });
    this.name = "NotAllowed";
  }
}

/** The connection was closed for good: by this program, or because the credential expired or was revoked. */
export class ConnectionClosed extends CbError {
  constructor(cause?: unknown) {
    super("unreachable", "the connection to NATS is closed", { hint: "attach to the build again", cause });
    this.name = "ConnectionClosed";
  }
}

/** The caller's signal was aborted, or the caller closed the publisher. */
export class Stopped extends CbError {
  constructor(operation: string, cause?: unknown) {
    super("cancelled", `${operation} was stopped`, cause === undefined ? {} : { cause });
    this.name = "Stopped";
  }
}

/** The error of a final refusal; undefined if a retry may succeed, as when an operator makes space on a full disk. */
export function finalError(stream: string, refusal: Refusal): CbError | undefined {
  if (DISK_FULL.test(refusal.text)) return undefined;
  if (FULL_CODES.includes(refusal.code)) return new StreamFull(stream, refusal.text);
  if (refusal.code === SEALED_CODE) return new StreamSealed(stream);
  if (refusal.code === ERR_CODE.streamNotFound) return new StreamNotFound(stream);
  if (TEMPORARY_CODES.includes(refusal.code) || refusal.status >= 500 || refusal.status === 429) return undefined;
  return new CbError("infrastructure", `stream ${stream}: ${refusal.text} (JetStream error ${refusal.code})`);
}
