/**
 * The grammar that `Link` and `WWW-Authenticate` have in common: `name=token` and `name="quoted string"`, separated by commas
 * or semicolons (RFC 9110 section 5.6).
 */

/** Longer header values are truncated. Real ones take some hundred characters; node allows 16 KiB for all headers together. */
const HEADER_MAX_CHARS = 8192;

/** Joins the lines of one header with commas, which means the same (RFC 9110 section 5.3). */
export function headerText(values: readonly string[] = []): string {
  return values.join(", ").slice(0, HEADER_MAX_CHARS);
}

/** The parameter at the start of `text`: its name in lower case, its unquoted value, and the number of characters it takes. */
export function parameterAt(text: string): { name: string; value: string; length: number } | undefined {
  const match = /^([\w!#$%&'*+.^`|~-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s",;]+))/.exec(text);
  if (match === null) return undefined;
  const [whole, name = "", quoted, token = ""] = match;
  const value = quoted === undefined ? token : quoted.replace(/\\(.)/g, "$1");
  return { name: name.toLowerCase(), value, length: whole.length };
}
