/** One call of an OpenStack API: bounded in time and bytes, no redirect followed, the answer as JSON. */
import { type Dispatcher, EnvHttpProxyAgent, request } from "undici";
import { CbError, messageOf } from "../../../core/errors.ts";
import type { Cloud } from "../auth/cloud.ts";

/** A server takes 2 to 3 kB in a listing with details, a page has 500. */
const BODY_MAX_BYTES = 8 * 1024 * 1024;
/** An API that is there says so in a second; five allow for a lost packet and a busy day. */
const CONNECT_MS = 5_000;
/** nova answers a create within a few seconds. Less than the pool waits, so that a lost reply can still be looked up. */
export const CALL_MS = 20_000;

export interface HttpCall {
  readonly method: "GET" | "POST" | "DELETE";
  readonly url: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: object;
  readonly signal: AbortSignal;
  readonly limitMs: number;
}

export interface HttpReply {
  readonly status: number;
  /** The first value of each, by its name in lower case. */
  readonly headers: ReadonlyMap<string, string>;
  /** Undefined where the body is empty or no JSON. */
  readonly body: unknown;
  /** The body, for error messages where it is no JSON. */
  readonly text: string;
}

/** There is no answer. `sent: false`: nobody can have seen the request, so that nothing can have come of it. */
export class NoReplyError extends CbError {
  readonly sent: boolean;

  constructor(message: string, sent: boolean, cause?: unknown) {
    super("infrastructure", message, { cause });
    this.sent = sent;
  }
}

/** Through the proxies of HTTP_PROXY, HTTPS_PROXY and NO_PROXY, with the cloud's CA. */
export function connectionsTo({ ca, verify }: Pick<Cloud, "ca" | "verify">): Dispatcher {
  const tls = { rejectUnauthorized: verify, ...(ca === undefined ? {} : { ca }) };
  // Behind a proxy that tunnels it is requestTls that is the cloud's.
  return new EnvHttpProxyAgent({ connect: { timeout: CONNECT_MS, ...tls }, requestTls: tls });
}

/** Any status is an answer, a redirect too: following one would carry the token to wherever it leads. Throws NoAnswerError. */
export async function send(dispatcher: Dispatcher, call: HttpCall): Promise<HttpReply> {
  const { method, url, signal, limitMs } = call;
  const what = `${method} ${new URL(url).host}${new URL(url).pathname}`;
  const limit = AbortSignal.timeout(limitMs);
  const headers = {
    accept: "application/json",
    ...(call.body && { "content-type": "application/json" }),
    ...call.headers,
  };
  try {
    const reply = await request(url, {
      dispatcher,
      method,
      headers,
      signal: AbortSignal.any([signal, limit]),
      ...(call.body && { body: JSON.stringify(call.body) }),
    });
    const text = await readBounded(reply.body, what);
    return { status: reply.statusCode, headers: firstValues(reply.headers), body: parse(text), text };
  } catch (cause) {
    if (cause instanceof CbError) throw cause;
    signal.throwIfAborted();
    const why = limit.aborted ? `nothing within ${limitMs / 1000} s` : reasonOf(cause);
    throw new NoReplyError(`no answer to ${what}: ${why}`, limit.aborted || !neverSent(cause), cause);
  }
}

async function readBounded(body: AsyncIterable<Buffer>, what: string): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of body) {
    bytes += chunk.length;
    if (bytes > BODY_MAX_BYTES) {
      throw new NoReplyError(`the answer to ${what} is longer than ${BODY_MAX_BYTES} bytes`, true);
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

function firstValues(headers: Readonly<Record<string, string | string[] | undefined>>): Map<string, string> {
  const entries = Object.entries(headers).map(
    ([name, value]) => [name.toLowerCase(), [value].flat()[0] ?? ""] as const,
  );
  return new Map(entries);
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Failures of a name, a connection or a certificate, which come before the first byte of a request. */
const BEFORE_SENDING = new Set([
  ...["ECONNREFUSED", "ENOTFOUND", "EAI_AGAIN", "EHOSTUNREACH", "ENETUNREACH", "UND_ERR_CONNECT_TIMEOUT"],
  ...["CERT_HAS_EXPIRED", "DEPTH_ZERO_SELF_SIGNED_CERT", "SELF_SIGNED_CERT_IN_CHAIN", "ERR_TLS_CERT_ALTNAME_INVALID"],
  ...["UNABLE_TO_VERIFY_LEAF_SIGNATURE", "UNABLE_TO_GET_ISSUER_CERT", "UNABLE_TO_GET_ISSUER_CERT_LOCALLY"],
]);

function neverSent(cause: unknown): boolean {
  const all = cause instanceof AggregateError ? cause.errors : [cause];
  return all.every((one: unknown) => BEFORE_SENDING.has(codeOf(one)));
}

function codeOf(error: unknown): string {
  return typeof error === "object" && error !== null && "code" in error ? String(error.code) : "";
}

/** A host with several addresses fails with one error for each, and no words of its own. */
function reasonOf(cause: unknown): string {
  return cause instanceof AggregateError ? cause.errors.map(messageOf).join("; ") : messageOf(cause);
}
