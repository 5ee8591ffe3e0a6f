/** Asks a stream which message of one publisher it stored last: the way to know how far one came before an outage. */
import { callApi, type JetStreamAccess, storedMessage } from "./api.ts";
import { ERR_CODE, NotAllowed } from "./stream-errors.ts";

export type LastOwn =
  | { readonly n: number; readonly seq: number }
  /** The newest message of the subject is not ours, or there is none. */
  | "none"
  /** No answer, or one that says to try again. */
  | "unknown"
  | "no stream"
  /** This credential may not ask. */
  | "not allowed";

/** Ids are `<idPrefix>.<n>`. Throws ConnectionClosed. */
export async function lastOwnMessage(
  js: JetStreamAccess,
  stream: string,
  subject: string,
  idPrefix: string,
): Promise<LastOwn> {
  try {
    const answer = await callApi(js, `STREAM.MSG.GET.${stream}`, { last_by_subj: subject });
    if (answer.kind === "silent") return "unknown";
    if (answer.kind === "refused") return refused(answer.refusal.code);
    const stored = storedMessage(answer.body);
    if (stored === undefined) return "unknown";
    const id = /^nats-msg-id: *(\S+)/im.exec(stored.headerText)?.[1];
    if (!id?.startsWith(`${idPrefix}.`)) return "none";
    return { n: Number(id.slice(idPrefix.length + 1)), seq: stored.seq };
  } catch (error) {
    if (error instanceof NotAllowed) return "not allowed";
    throw error;
  }
}

function refused(code: number): LastOwn {
  if (code === ERR_CODE.noMessageFound) return "none";
  return code === ERR_CODE.streamNotFound ? "no stream" : "unknown";
}
