/** The message of an OpenStack error, cleaned for our own messages. Each service wraps it in its own format. */
import type { JsonReply } from "../../../core/http-json.ts";

/** Longer texts are stack traces or HTML pages. */
const MAX_CHARS = 300;
/** nova quotes a rejected value in its message. user_data contains a credential, so the quoted value is removed. */
const QUOTED_VALUE = / ?\bValue: .*$/s;
/** No word of a language has 80 characters; keys, tokens and base64 do, so they are removed. */
const LONG_RUN = /[^\s]{80,}/g;

/** At most 300 characters on one line, without HTML tags, quoted values and secrets. "status N" when there is no text. */
export function faultText({ body, text, status }: JsonReply): string {
  const found = messageIn(body) ?? text;
  const plain = found
    .replace(/<[^>]*>/g, " ")
    .replace(QUOTED_VALUE, "")
    .replace(LONG_RUN, "…")
    .replace(/[\p{Cc}\s]+/gu, " ")
    .trim();
  return plain === "" ? `status ${status}` : plain.slice(0, MAX_CHARS);
}

/**
 * nova and keystone send `{"forbidden": {"message"}}`, with the kind of error as the key. neutron sends
 * `{"NeutronError": {"message"}}`, or a string in place of the object. glance, and proxies in front of the services, send
 * `{"message"}` with HTML in it.
 */
function messageIn(body: unknown): string | undefined {
  if (!isObject(body)) return undefined;
  if (typeof body.message === "string") return body.message;
  const [inner] = Object.values(body);
  if (typeof inner === "string") return inner;
  return isObject(inner) && typeof inner.message === "string" ? inner.message : undefined;
}

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === "object" && value !== null;
