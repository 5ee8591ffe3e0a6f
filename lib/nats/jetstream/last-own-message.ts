/**
 * Reads from a stream which message of one publisher it stored last, so that the publisher can continue after an
 * outage, and whether it still has the message that it acknowledged last.
 */
import { callApi, type JetStreamAccess, storedMessage } from "./api.ts";
import { ERR_CODE, NotAllowed } from "./stream-errors.ts";

export type LastOwn =
  | { readonly n: number; readonly seq: number }
  /** The newest message of the subject is from another publisher, or there is none. */
  | "none"
  /** No reply, or a temporary refusal. */
  | "unknown"
  | "no stream"
  /** The credential does not allow the request. */
  | "not allowed";

/** The publisher's message ids are `<idPrefix>.<n>`. Throws ConnectionClosed. */
export async function lastOwnMessage(
  js: JetStreamAccess,
  stream: string,
  subject: string,
  idPrefix: string,
): Promise<LastOwn> {
  try {
    const reply = await callApi(js, `STREAM.MSG.GET.${stream}`, { last_by_subj: subject });
    if (reply.kind === "silent") return "unknown";
    if (reply.kind === "refused") return refused(reply.refusal.code);
    const stored = storedMessage(reply.body);
    if (stored === undefined) return "unknown";
    const id = /^nats-msg-id: *(\S+)/im.exec(stored.headerText)?.[1];
    if (!id?.startsWith(`${idPrefix}.`)) return "none";
    return { n: Number(id.slice(idPrefix.length + 1)), seq: stored.seq };
  } catch (error) {
    if (error instanceof NotAllowed) return "not allowed";
    throw error;
  }
}

/**
 * False if the stream has no message of this sequence, or does not tell. True without permission for STREAM.MSG.GET. Throws
 * ConnectionClosed.
 */
export async function isStored(js: JetStreamAccess, stream: string, seq: number): Promise<boolean> {
  try {
    return (await callApi(js, `STREAM.MSG.GET.${stream}`, { seq })).kind === "ok";
  } catch (error) {
    if (error instanceof NotAllowed) return true;
    throw error;
  }
}

function refused(code: number): LastOwn {
  if (code === ERR_CODE.noMessageFound) return "none";
  return code === ERR_CODE.streamNotFound ? "no stream" : "unknown";
}
