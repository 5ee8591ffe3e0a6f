/** One HTTP request to an OpenStack service, and the error that tells whether it may have had an effect. */
import type { Dispatcher } from "undici";
import { CbError } from "../../../core/errors.ts";
import {
  type JsonReply,
  type JsonRequest,
  NoHttpReplyError,
  openConnections,
  ReplyTooLongError,
  requestJson,
} from "../../../core/http-json.ts";
import type { Cloud } from "../auth/cloud.ts";

/** A server takes 2 to 3 kB in a detailed listing, and a page has 500 servers. */
const BODY_MAX_BYTES = 8 * 1024 * 1024;
/** nova replies to a create within a few seconds. Less than the pool's own limit, which leaves time to look up a lost reply. */
export const CALL_MS = 20_000;

export interface HttpCall extends Pick<JsonRequest, "method" | "headers" | "body" | "stream" | "signal"> {
  readonly url: string;
  readonly limitMs: number;
  /** Called with the status of the reply; undefined when there was none. */
  readonly onDone?: ((status: number | undefined) => void) | undefined;
}

/** No usable reply. `maybeSent` is false only when the service cannot have received the request, so it had no effect. */
export class NoReplyError extends CbError {
  readonly maybeSent: boolean;

  constructor(message: string, maybeSent: boolean, cause?: unknown) {
    super("infrastructure", message, { cause });
    this.maybeSent = maybeSent;
  }
}

/** Connections with the cloud's CA, through the proxies of HTTP_PROXY, HTTPS_PROXY and NO_PROXY. */
export function connectionsTo({ ca, verify }: Pick<Cloud, "ca" | "verify">): Dispatcher {
  return openConnections({ ca, verify });
}

/** Resolves with the reply, whatever its status. Throws NoReplyError, or the reason of `signal` once that is aborted. */
export async function send(connections: Dispatcher, { url: address, onDone, ...call }: HttpCall): Promise<JsonReply> {
  const url = new URL(address);
  const request = `${call.method} ${url.host}${url.pathname}`;
  try {
    const reply = await requestJson({ ...call, url, connections, maxBytes: BODY_MAX_BYTES });
    onDone?.(reply.status);
    return reply;
  } catch (error) {
    onDone?.(undefined);
    if (error instanceof ReplyTooLongError) throw new NoReplyError(`the reply to ${request} is ${error.message}`, true);
    if (!(error instanceof NoHttpReplyError)) throw error;
    throw new NoReplyError(`no reply to ${request}: ${error.message}`, error.maybeSent, error.cause);
  }
}
