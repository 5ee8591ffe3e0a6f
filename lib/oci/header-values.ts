/**
 * The grammar that `Link` and `WWW-Authenticate` share: `name=token` and `name="quoted string"`, separated by commas or
 * semicolons (RFC 9110 section 5.6).
 */

/** A header that is longer is nobody's; node itself stops at 16 KiB for all headers together. */
const HEADER_MAX_CHARS = 8192;

/** Several header lines of one name mean the same as one with commas. */
export function headerText(value: string | string[] | undefined): string {
  const text = typeof value === "string" ? value : (value ?? []).join(", ");
  return text.slice(0, HEADER_MAX_CHARS);
}

/** A parameter at the start of `text`: its name in lower case, its value unquoted, and how long it is. */
export function parameterAt(text: string): { name: string; value: string; length: number } | undefined {
  const match = /^([\w!#$%&'*+.^`|~-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s",;]+))/.exec(text);
  if (match === null) return undefined;
  const [whole, name = "", quoted, token = ""] = match;
  const value = quoted === undefined ? token : quoted.replace(/\\(.)/g, "$1");
  return { name: name.toLowerCase(), value, length: whole.length };
}
