/** One GET request to a registry or its token server. */
import type { Dispatcher } from "undici";
import { CbError, messageOf } from "../core/errors.ts";
import { NoHttpReplyError, ReplyTooLongError, requestJson } from "../core/http-json.ts";
import { headerText } from "./header-values.ts";

/** A page of 100 names of 255 characters takes 26 kB; all tags of an active repository in one page take some 100 kB. */
const BODY_MAX_BYTES = 4 * 1024 * 1024;

export interface RegistryReply {
  readonly status: number;
  /** The header `Link`; empty if there is none. */
  readonly link: string;
  /** The header `WWW-Authenticate`; empty if there is none. */
  readonly challenge: string;
  /** Undefined when the body is not JSON. */
  readonly body: unknown;
}

export interface RegistryRequest {
  readonly url: URL;
  readonly authorization?: string | undefined;
  readonly connections: Dispatcher;
  readonly signal: AbortSignal;
}

/**
 * Resolves with the reply, whatever its status. Throws CbError "unreachable" when there is no reply or `signal` is aborted,
 * "infrastructure" when the reply is longer than 4 MiB.
 */
export async function getJson({ url, authorization, connections, signal }: RegistryRequest): Promise<RegistryReply> {
  const headers = authorization === undefined ? {} : { authorization };
  try {
    const reply = await requestJson({ method: "GET", url, headers, connections, signal, maxBytes: BODY_MAX_BYTES });
    const link = headerText(reply.headers.get("link"));
    const challenge = headerText(reply.headers.get("www-authenticate"));
    return { status: reply.status, link, challenge, body: reply.body };
  } catch (error) {
    if (error instanceof ReplyTooLongError) {
      throw new CbError("infrastructure", `the reply to ${url.pathname} is ${error.message}`, { cause: error });
    }
    const cause = error instanceof NoHttpReplyError ? error.cause : error;
    throw new CbError("unreachable", `no reply from ${url.host}: ${messageOf(error)}`, { cause });
  }
}
