/** One GET: bounded in time and bytes, no redirect followed, the answer as JSON. */
import { type Dispatcher, request } from "undici";
import { CbError, messageOf } from "../core/errors.ts";
import { headerText } from "./header-values.ts";

/** A page of 100 names of 255 characters is 26 kB, all tags of a busy repository in one page some hundred. */
const BODY_MAX_BYTES = 4 * 1024 * 1024;

export interface JsonReply {
  readonly status: number;
  readonly link: string;
  readonly challenge: string;
  /** Undefined where the body is no JSON. */
  readonly body: unknown;
}

export interface JsonRequest {
  readonly url: URL;
  readonly authorization?: string | undefined;
  readonly dispatcher: Dispatcher;
  readonly signal: AbortSignal;
}

/**
 * Any status is an answer, a redirect too: following one would carry a credential to wherever it leads. Throws CbError
 * "unreachable" when there is none, "infrastructure" when it is over its bound.
 */
export async function getJson({ url, authorization, dispatcher, signal }: JsonRequest): Promise<JsonReply> {
  try {
    const headers = { accept: "application/json", ...(authorization === undefined ? {} : { authorization }) };
    const { statusCode, headers: got, body } = await request(url, { dispatcher, signal, headers });
    const link = headerText(got.link);
    const challenge = headerText(got["www-authenticate"]);
    return { status: statusCode, link, challenge, body: parse(await readBounded(body, url)) };
  } catch (cause) {
    if (cause instanceof CbError) throw cause;
    throw new CbError("unreachable", `no answer from ${url.host}: ${reasonOf(cause)}`, { cause });
  }
}

async function readBounded(body: AsyncIterable<Buffer>, url: URL): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of body) {
    bytes += chunk.length;
    if (bytes > BODY_MAX_BYTES) {
      throw new CbError("infrastructure", `${url.pathname} is longer than ${BODY_MAX_BYTES} bytes`);
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** A host with several addresses fails with one error for each, and no words of its own. */
function reasonOf(cause: unknown): string {
  return cause instanceof AggregateError ? cause.errors.map(messageOf).join("; ") : messageOf(cause);
}
