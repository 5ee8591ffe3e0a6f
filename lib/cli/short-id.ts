/** Ids by their first characters, as git and docker take them. */
import { CbError } from "../core/errors.ts";
import { isId } from "../protocol/ids.ts";

/** Shorter prefixes would soon be ambiguous. */
const PREFIX_MIN_CHARS = 4;
/** The begin of an id that is shown where the whole id has no space. A program refuses it in the unlikely case that it fits two. */
export const SHORT_ID_CHARS = 8;
/** An ambiguous prefix names so many of its ids: as many as fit on a screen beside the prompt. */
const CANDIDATES_MAX = 10;

/** The things that have ids, for messages. */
export interface IdKind {
  /** For example `build`. */
  readonly noun: string;
  /** The program that lists the ids. */
  readonly list: string;
}

export interface Candidate {
  readonly id: string;
  /** Tells it from the others, for example the name of its image. */
  readonly label: string;
}

/** `text` in lower case. Throws CbError "usage" unless it is an id or the begin of one. */
export function idPrefix(text: string, { noun, list }: IdKind): string {
  const prefix = text.toLowerCase();
  if (isId(prefix) || (prefix.length >= PREFIX_MIN_CHARS && /^[0-9a-f-]{1,36}$/.test(prefix))) return prefix;
  throw new CbError("usage", `${JSON.stringify(text)} is not the id of a ${noun}`, {
    hint: `${list} lists the ${noun}s; the first ${PREFIX_MIN_CHARS} characters of an id are enough`,
  });
}

/** The id that begins with `prefix`. Throws CbError "usage" when there is none, or with the ids of several. */
export function idWithPrefix(prefix: string, candidates: readonly Candidate[], { noun, list }: IdKind): string {
  const found = candidates.filter(({ id }) => id.startsWith(prefix));
  const [first, ...others] = found;
  if (first === undefined) {
    throw new CbError("usage", `${list} lists no ${noun} with an id that begins with ${prefix}`, {
      hint: "copy the first characters of the id from that list",
    });
  }
  if (others.length === 0) return first.id;
  const named = found.slice(0, CANDIDATES_MAX).map(({ id, label }) => `${id}${label === "" ? "" : ` (${label})`}`);
  const more = found.length > named.length ? ` and ${found.length - named.length} more` : "";
  throw new CbError("usage", `the ids of ${found.length} ${noun}s begin with ${prefix}`, {
    hint: `give more characters: ${named.join(", ")}${more}`,
  });
}
