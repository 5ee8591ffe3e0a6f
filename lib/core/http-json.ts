/** The one JSON-over-HTTP client: bounded in time and bytes, through the proxies of the environment, without redirects. */
import { Readable } from "node:stream";
import { type Dispatcher, EnvHttpProxyAgent, request } from "undici";
import { codeOf, messageOf } from "./errors.ts";

/** A server that runs accepts a connection within a second; five allow for a lost packet and a loaded server. */
const CONNECT_MS = 5_000;

export interface ConnectionOptions {
  /** CA certificates as PEM, in place of the system's. Default: node's own, with those of NODE_EXTRA_CA_CERTS. */
  readonly ca?: string | undefined;
  /** False accepts every certificate. Default: node's own setting. */
  readonly verify?: boolean | undefined;
  /** Limit for silence, before the headers and between two chunks of the body. Default: undici's, 300 s. */
  readonly silenceMs?: number | undefined;
}

/** Connections that go through the proxies of HTTP_PROXY, HTTPS_PROXY and NO_PROXY. Destroy them after use. */
export function openConnections({ ca, verify, silenceMs }: ConnectionOptions): Dispatcher {
  const tls = {
    ...(verify === undefined ? {} : { rejectUnauthorized: verify }),
    ...(ca === undefined ? {} : { ca }),
  };
  const timeouts = silenceMs === undefined ? {} : { headersTimeout: silenceMs, bodyTimeout: silenceMs };
  // Through a tunnelling proxy, undici takes the server's TLS settings from requestTls.
  return new EnvHttpProxyAgent({ ...timeouts, connect: { timeout: CONNECT_MS, ...tls }, requestTls: tls });
}

/** A body that is too large for the memory: a file. */
export interface StreamedBody {
  /** In bytes. The server gets it before the body, and a body of another length fails. */
  readonly sizeBytes: number;
  /** Called once for each request, because a request may be repeated. */
  readonly open: () => AsyncIterable<Uint8Array>;
}

export interface JsonRequest {
  readonly method: "GET" | "HEAD" | "POST" | "PUT" | "DELETE";
  readonly url: URL;
  readonly headers?: Readonly<Record<string, string>>;
  /** Sent as JSON. */
  readonly body?: object | undefined;
  /** Sent as it is, in place of `body`. */
  readonly stream?: StreamedBody | undefined;
  readonly connections: Dispatcher;
  readonly signal: AbortSignal;
  /** Limit for the whole request. Default: none but `signal` and the limits of the connections. */
  readonly limitMs?: number;
  /** Limit for the reply's body. */
  readonly maxBytes: number;
}

export interface JsonReply {
  readonly status: number;
  /** All values of each header, by its name in lower case. */
  readonly headers: ReadonlyMap<string, readonly string[]>;
  /** Undefined when the body is empty or not JSON. */
  readonly body: unknown;
  /** The body as text, for error messages about a body that is not JSON. */
  readonly text: string;
}

/** No reply was received. The message is the reason alone. */
export class NoHttpReplyError extends Error {
  /** False only when the request cannot have reached the server, so that it cannot have had an effect. */
  readonly maybeSent: boolean;

  constructor(reason: string, maybeSent: boolean, cause: unknown) {
    super(reason, { cause });
    this.name = "NoHttpReplyError";
    this.maybeSent = maybeSent;
  }
}

/** The reply's body is longer than `maxBytes`. */
export class ReplyTooLongError extends Error {
  constructor(maxBytes: number) {
    super(`longer than ${maxBytes} bytes`);
    this.name = "ReplyTooLongError";
  }
}

/**
 * Resolves with the reply, whatever its status. A redirect is a reply too: following it would send the request's credential
 * to another address. Throws NoHttpReplyError, ReplyTooLongError, or the reason of `signal` once that is aborted.
 */
export async function requestJson(call: JsonRequest): Promise<JsonReply> {
  const { method, url, connections, signal, limitMs, maxBytes } = call;
  const limit = limitMs === undefined ? undefined : AbortSignal.timeout(limitMs);
  const headers = {
    accept: "application/json",
    ...contentHeaders(call),
    ...call.headers,
  };
  try {
    const reply = await request(url, {
      dispatcher: connections,
      method,
      headers,
      signal: limit === undefined ? signal : AbortSignal.any([signal, limit]),
      ...contentOf(call),
    });
    const text = await readBounded(reply.body, maxBytes);
    return { status: reply.statusCode, headers: allValues(reply.headers), body: parse(text), text };
  } catch (cause) {
    if (cause instanceof ReplyTooLongError) throw cause;
    signal.throwIfAborted();
    if (limit?.aborted) throw new NoHttpReplyError(`none within ${(limitMs ?? 0) / 1000} s`, true, cause);
    throw new NoHttpReplyError(reasonOf(cause), !failedBeforeSending(cause), cause);
  }
}

function contentHeaders({ body, stream }: JsonRequest): Record<string, string> {
  if (stream !== undefined) {
    return { "content-type": "application/octet-stream", "content-length": String(stream.sizeBytes) };
  }
  return body === undefined ? {} : { "content-type": "application/json" };
}

function contentOf({ body, stream }: JsonRequest): { body?: string | Readable } {
  if (stream !== undefined) return { body: Readable.from(stream.open(), { objectMode: false }) };
  return body === undefined ? {} : { body: JSON.stringify(body) };
}

async function readBounded(body: AsyncIterable<Buffer>, maxBytes: number): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of body) {
    bytes += chunk.length;
    if (bytes > maxBytes) throw new ReplyTooLongError(maxBytes);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

function allValues(headers: Readonly<Record<string, string | string[] | undefined>>): Map<string, string[]> {
  const entries = Object.entries(headers).map(
    ([name, value]) => [name.toLowerCase(), value === undefined ? [] : [value].flat()] as const,
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

/** Failures of name resolution, connection and certificate check, which all precede the first byte of a request. */
const BEFORE_SENDING = new Set([
  ...["ECONNREFUSED", "ENOTFOUND", "EAI_AGAIN", "EHOSTUNREACH", "ENETUNREACH", "UND_ERR_CONNECT_TIMEOUT"],
  ...["CERT_HAS_EXPIRED", "DEPTH_ZERO_SELF_SIGNED_CERT", "SELF_SIGNED_CERT_IN_CHAIN", "ERR_TLS_CERT_ALTNAME_INVALID"],
  ...["UNABLE_TO_VERIFY_LEAF_SIGNATURE", "UNABLE_TO_GET_ISSUER_CERT", "UNABLE_TO_GET_ISSUER_CERT_LOCALLY"],
]);

function failedBeforeSending(cause: unknown): boolean {
  const errors = cause instanceof AggregateError ? cause.errors : [cause];
  return errors.every((error: unknown) => BEFORE_SENDING.has(codeOf(error)));
}

/** A host with several addresses fails with one error for each address, in an AggregateError without a message. */
function reasonOf(cause: unknown): string {
  return cause instanceof AggregateError ? cause.errors.map(messageOf).join("; ") : messageOf(cause);
}
