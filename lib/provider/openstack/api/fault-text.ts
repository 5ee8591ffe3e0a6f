/** The words of an OpenStack error, fit for a message of ours: each service wraps them in its own way. */
import type { HttpReply } from "./http.ts";

/** More is a stack trace or a page of HTML. */
const MAX_CHARS = 300;
/** A value that came back: nova quotes user_data, in which there is a credential, when it does not like it. */
const QUOTED_VALUE = / ?\bValue: .*$/s;
/** No word of a language is that long; a key, a token or something in base64 is. */
const LONG_RUN = /[^\s]{80,}/g;

export function faultText({ body, text, status }: HttpReply): string {
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
 * nova and keystone: `{"forbidden": {"message"}}` with the kind as the key; neutron: `{"NeutronError": {"message"}}` or
 * a plain text in its place; glance, and what stands before the services: `{"message"}` with HTML in it.
 */
function messageIn(body: unknown): string | undefined {
  if (!isObject(body)) return undefined;
  if (typeof body.message === "string") return body.message;
  const [inner] = Object.values(body);
  if (typeof inner === "string") return inner;
  return isObject(inner) && typeof inner.message === "string" ? inner.message : undefined;
}

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === "object" && value !== null;
