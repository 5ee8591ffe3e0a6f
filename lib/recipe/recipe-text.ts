/**
 * The bytes of a recipe as text and back, without loss. Text in UTF-8 is itself. A byte that is not UTF-8 becomes a lone
 * surrogate, U+DC80 to U+DCFF (PEP 383, "surrogateescape"): JSON carries it as an escape, and no valid text contains it.
 */

/** One character in UTF-8 of several bytes (RFC 3629, section 4), or a byte that is none. */
const SEQUENCE =
  /[\xc2-\xdf][\x80-\xbf]|\xe0[\xa0-\xbf][\x80-\xbf]|[\xe1-\xec\xee\xef][\x80-\xbf]{2}|\xed[\x80-\x9f][\x80-\xbf]|\xf0[\x90-\xbf][\x80-\xbf]{2}|[\xf1-\xf3][\x80-\xbf]{3}|\xf4[\x80-\x8f][\x80-\xbf]{2}|[\x80-\xff]/g;
const ESCAPED_BYTE = /[\udc80-\udcff]/u;

/** Without a byte order mark at the beginning. */
export function decodeRecipe(bytes: Uint8Array): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("latin1");
    return text
      .replace(SEQUENCE, (found) =>
        found.length === 1
          ? String.fromCharCode(0xdc00 + found.charCodeAt(0))
          : Buffer.from(found, "latin1").toString("utf8"),
      )
      .replace(/^\uFEFF/, "");
  }
}

/** The bytes that decodeRecipe() made the text from. */
export function encodeRecipe(text: string): Buffer {
  if (!ESCAPED_BYTE.test(text)) return Buffer.from(text, "utf8");
  const parts = text.split(/([\udc80-\udcff]+)/u);
  return Buffer.concat(
    parts.map((part, index) =>
      index % 2 === 0
        ? Buffer.from(part, "utf8")
        : Buffer.from(Array.from(part, (escaped) => escaped.charCodeAt(0) - 0xdc00)),
    ),
  );
}
