/**
 * Matches one name against a pattern of a shell or of Go: `*`, `?`, `[a-z]`, `[!a]`, `[[:digit:]]`, and `\` before a
 * literal character.
 */

export interface GlobOptions {
  /** True: `*`, `?` and `[…]` also match a dot at the beginning, as in Go. False: they do not, as in a shell. */
  readonly dotFiles: boolean;
}

/** True when the text has a character that is special in a pattern. */
export const isPattern = (text: string): boolean => /[*?[\\]/.test(text);

/** Matches whole names without slashes, as text. An unclosed `[` is literal. */
export function globRegExp(pattern: string, { dotFiles }: GlobOptions): RegExp {
  const skipsDotFiles = !dotFiles && /^[*?[]/.test(pattern);
  return new RegExp(`^${skipsDotFiles ? "(?!\\.)" : ""}${globSource(pattern)}$`, "su");
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
      const escaped = String.fromCodePoint(pattern.codePointAt(at) ?? 0);
      source += literal(escaped);
      at += escaped.length;
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

/** The `[…]` that begins at `from`; undefined when it is unclosed, or no valid class. */
function bracketAt(pattern: string, from: number): { source: string; end: number } | undefined {
  const [, negation = "", body = ""] =
    /^\[([!^]?)((?:\]?)(?:\[:\w+:\]|\\.|[^\]\\])*)\]/su.exec(pattern.slice(from)) ?? [];
  if (body === "") return undefined;
  const members = body.replace(
    /\[:(\w+):\]|\\(.)|([\][/^|(){}])/gsu,
    (_, name?: string, escaped?: string, plain?: string) =>
      name === undefined ? literal(escaped ?? plain ?? "") : (CLASSES[name] ?? ""),
  );
  try {
    const source = `[${negation === "" ? "" : "^/"}${members}]`;
    new RegExp(source, "su");
    return { source, end: from + 1 + negation.length + body.length + 1 };
  } catch {
    // An invalid range, as in [z-a]: the bracket is literal.
    return undefined;
  }
}
