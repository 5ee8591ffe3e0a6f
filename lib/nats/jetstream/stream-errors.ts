/**
 * What JetStream may answer that no waiting mends, one class each, and the numbers it is recognised by: `err_code` in
 * server/errors.json of nats-server (the text varies between versions, the number does not).
 */
import { CbError } from "../../core/errors.ts";

/** A refusal in JetStream's own words; `code` is its err_code, or the HTTP-like status when there is none. */
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

/** JSStreamStoreFailedF (max_bytes or max_msgs reached), JSStorageResourcesExceededErr, JSInsufficientResourcesErr, JSMemoryResourcesExceededErr. */
const FULL_CODES: readonly number[] = [10077, 10047, 10023, 10028];
/** JSStreamDuplicateMessageConflict (2.10 and later: the first copy is still being replicated), JSMaximumConsumersLimitErr. */
const PASSING_CODES: readonly number[] = [10158, 10026];
/** JSStreamSealedErr. */
const SEALED_CODE = 10109;

/** The stream takes no more bytes or messages (discard=new). */
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
    super("infrastructure", `stream ${stream} takes no more messages: it is sealed`, { hint: "the build is over" });
    this.name = "StreamSealed";
  }
}

/** There is no such stream, or no longer. */
export class StreamNotFound extends CbError {
  constructor(stream: string) {
    super("infrastructure", `there is no stream ${stream}`, { hint: "the build is over and its retention has passed" });
    this.name = "StreamNotFound";
  }
}

/** The stream is not the one it was: another took its place, or it was restored from a backup. */
export class StreamBroken extends CbError {
  constructor(stream: string, text: string) {
    super("infrastructure", `stream ${stream} is not what it was: ${text}`, { hint: "start the build again" });
    this.name = "StreamBroken";
  }
}

/** NATS does not allow this credential to use the subject. */
export class NotAllowed extends CbError {
  constructor(subject: string) {
    super("denied", `NATS does not allow to use ${subject}`, {
      hint: "the credential is for another build, or too old",
    });
    this.name = "NotAllowed";
  }
}

/** The connection was closed for good: by us, or because the credential expired or was revoked. */
export class ConnectionClosed extends CbError {
  constructor(cause?: unknown) {
    super("unreachable", "the connection to NATS is closed", { hint: "attach to the build again", cause });
    this.name = "ConnectionClosed";
  }
}

/** The caller's signal ended it. */
export class Stopped extends CbError {
  constructor(what: string, cause?: unknown) {
    super("cancelled", `${what} was stopped`, cause === undefined ? {} : { cause });
    this.name = "Stopped";
  }
}

/** The error a refusal stands for when it is final; undefined when trying again may help. */
export function finalError(stream: string, refusal: Refusal): CbError | undefined {
  if (FULL_CODES.includes(refusal.code)) return new StreamFull(stream, refusal.text);
  if (refusal.code === SEALED_CODE) return new StreamSealed(stream);
  if (refusal.code === ERR_CODE.streamNotFound) return new StreamNotFound(stream);
  if (PASSING_CODES.includes(refusal.code) || refusal.status >= 500 || refusal.status === 429) return undefined;
  return new CbError("infrastructure", `stream ${stream}: ${refusal.text} (JetStream error ${refusal.code})`);
}
