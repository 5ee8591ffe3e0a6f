/** Patterns for one name, as shells and Go have them: `*`, `?`, `[a-z]`, `[!a]`, `[[:digit:]]`, and `\` before what is meant itself. */

export interface GlobOptions {
  /** True: `*`, `?` and `[…]` match a dot at the beginning too, as Go's do and those of shells do not. */
  readonly dotFiles: boolean;
}

/** Whether the text has anything that makes it a pattern. */
export const isPattern = (text: string): boolean => /[*?[\\]/.test(text);

/** Matches whole names without slashes, as text. A `[` that nothing closes stands for itself. */
export function globRegExp(pattern: string, { dotFiles }: GlobOptions): RegExp {
  const keepsDots = !dotFiles && /^[*?[]/.test(pattern);
  return new RegExp(`^${keepsDots ? "(?!\\.)" : ""}${globSource(pattern)}$`, "su");
}

/** The source of a regular expression with the flags `su` for a pattern that has no slash. */
export function globSource(pattern: string): string {
  let source = "";
  for (let at = 0; at < pattern.length; ) {
    const bracket = pattern[at] === "[" ? bracketAt(pattern, at) : undefined;
    if (bracket !== undefined) {
      source += bracket.source;
      at = bracket.end;
      continue;
    }
    const char = String.fromCodePoint(pattern.codePointAt(at) ?? 0);
    at += char.length;
    if (char === "*") source += "[^/]*";
    else if (char === "?") source += "[^/]";
    else if (char === "\\" && at < pattern.length) {
      const meant = String.fromCodePoint(pattern.codePointAt(at) ?? 0);
      source += literal(meant);
      at += meant.length;
    } else source += literal(char);
  }
  return source;
}

const literal = (char: string): string =>
  char.replace(/[\\^$.*+?()[\]{}|/-]/, (special) => (special === "-" ? "\\x2d" : `\\${special}`));

const CLASSES: Readonly<Record<string, string>> = {
  alpha: "\\p{L}",
  digit: "0-9",
  alnum: "\\p{L}\\p{N}",
  upper: "\\p{Lu}",
  lower: "\\p{Ll}",
  space: "\\s",
  blank: " \\t",
  punct: "\\p{P}\\p{S}",
  xdigit: "0-9A-Fa-f",
};

/** `[…]` that begins at `from`; undefined when it does not end, or means nothing. */
function bracketAt(pattern: string, from: number): { source: string; end: number } | undefined {
  const [, not = "", body = ""] = /^\[([!^]?)((?:\]?)(?:\[:\w+:\]|\\.|[^\]\\])*)\]/su.exec(pattern.slice(from)) ?? [];
  if (body === "") return undefined;
  const members = body.replace(
    /\[:(\w+):\]|\\(.)|([\][/^|(){}])/gsu,
    (_, name?: string, escaped?: string, plain?: string) =>
      name === undefined ? literal(escaped ?? plain ?? "") : (CLASSES[name] ?? ""),
  );
  try {
    const source = `[${not === "" ? "" : "^/"}${members}]`;
    new RegExp(source, "su");
    return { source, end: from + 1 + not.length + body.length + 1 };
  } catch {
    // A range that is none, as in [z-a]: the bracket then stands for itself.
    return undefined;
  }
}
