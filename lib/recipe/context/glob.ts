/**
 * Patterns for one name: `*`, `?`, `[a-z]`, `[[:digit:]]`, and `\` before a literal character. The matcher compares from left
 * to right and returns only to the last `*`, so its work is at most the product of the lengths of pattern and name: no
 * pattern makes it slow, which a backtracking regular expression would be.
 */

/**
 * `shell`: as bash matches file names: `[!a]` and `[^a]` negate, and a leading dot is matched by a dot alone. `go`: as Go's
 * filepath.Match, which buildah uses: `[^a]` negates, `[!a]` is `!` or `a`, and a leading dot is a character like any other.
 */
export type GlobDialect = "shell" | "go";

export type GlobMatcher = (name: string) => boolean;

/** Whether the text contains a character that makes it a pattern. */
export const isPattern = (text: string): boolean => /[*?[\\]/.test(text);

type Token = "star" | ((character: string) => boolean);

/** Matches whole names without slashes. A `[` without its `]`, or with an invalid range, stands for itself. */
export function globMatcher(pattern: string, dialect: GlobDialect): GlobMatcher {
  const tokens = tokensOf(pattern, dialect);
  const keepsDots = dialect === "shell" && /^[*?[]/.test(pattern);
  return (name) => !(keepsDots && name.startsWith(".")) && matches(tokens, [...name]);
}

function matches(tokens: readonly Token[], characters: readonly string[]): boolean {
  let token = 0;
  let at = 0;
  let star = -1;
  let starAt = 0;
  while (at < characters.length) {
    const expected = tokens[token];
    if (expected === "star") {
      star = token++;
      starAt = at;
    } else if (expected?.(characters[at] ?? "")) {
      token += 1;
      at += 1;
    } else if (star >= 0) {
      // The star takes one character more.
      token = star + 1;
      at = ++starAt;
    } else return false;
  }
  while (tokens[token] === "star") token += 1;
  return token === tokens.length;
}

function tokensOf(pattern: string, dialect: GlobDialect): Token[] {
  const characters = [...pattern];
  const tokens: Token[] = [];
  const dead = new Uint8Array(characters.length);
  for (let at = 0; at < characters.length; at += 1) {
    const character = characters[at] ?? "";
    const bracket = character === "[" ? bracketAt(characters, at, { dialect, dead }) : undefined;
    if (bracket !== undefined) {
      tokens.push(bracket.accepts);
      at = bracket.end;
    } else if (character === "*") {
      if (tokens.at(-1) !== "star") tokens.push("star");
    } else if (character === "?") tokens.push((found) => found !== "/");
    else {
      const literal = character === "\\" ? (characters[++at] ?? "\\") : character;
      tokens.push((found) => found === literal);
    }
  }
  return tokens;
}

const CLASSES: ReadonlyMap<string, RegExp> = new Map([
  ["alpha", /^\p{L}$/u],
  ["digit", /^[0-9]$/],
  ["alnum", /^[\p{L}\p{N}]$/u],
  ["upper", /^\p{Lu}$/u],
  ["lower", /^\p{Ll}$/u],
  ["space", /^\s$/u],
  ["blank", /^[ \t]$/],
  ["punct", /^[\p{P}\p{S}]$/u],
  ["xdigit", /^[0-9A-Fa-f]$/],
]);

interface Bracket {
  readonly accepts: (character: string) => boolean;
  /** Index of the closing bracket. */
  readonly end: number;
}

interface BracketOptions {
  readonly dialect: GlobDialect;
  /** 1 at indexes that a scan has visited. If no bracket ended there, none does for the next scan. */
  readonly dead: Uint8Array;
}

/** `[…]` that begins at `from`; undefined when it does not end, or has a range that is none, as `[z-a]`. */
function bracketAt(
  characters: readonly string[],
  from: number,
  { dialect, dead }: BracketOptions,
): Bracket | undefined {
  const begin = from + 1;
  const negated = characters[begin] === "^" || (dialect === "shell" && characters[begin] === "!");
  const first = negated ? begin + 1 : begin;
  const members: Member[] = [];
  for (let at = first; at < characters.length && !(dead[at] === 1 && (at > first || characters[at] !== "]")); ) {
    // A `]` right after the opening bracket is a member.
    if (characters[at] === "]" && at > first) return { accepts: accepting(members, negated), end: at };
    if (at > first) dead[at] = 1;
    const found = (dialect === "shell" ? classAt(characters, at) : undefined) ?? rangeAt(characters, at);
    if (found === undefined) break;
    members.push(found.member);
    at = found.end;
  }
  return undefined;
}

type Member = (code: number, character: string) => boolean;

function accepting(members: readonly Member[], negated: boolean): Bracket["accepts"] {
  return (found) => {
    const code = found.codePointAt(0) ?? 0;
    return found !== "/" && members.some((member) => member(code, found)) !== negated;
  };
}

/** One character, or a range as `a-z`; undefined when the range ends before it begins. */
function rangeAt(characters: readonly string[], at: number): { member: Member; end: number } | undefined {
  const low = memberAt(characters, at);
  const next = characters[low.end + 1];
  const high =
    characters[low.end] === "-" && next !== undefined && next !== "]" ? memberAt(characters, low.end + 1) : low;
  if (low.code > high.code) return undefined;
  return { member: (code) => code >= low.code && code <= high.code, end: high.end };
}

function memberAt(characters: readonly string[], at: number): { code: number; end: number } {
  const escaped = characters[at] === "\\" && at + 1 < characters.length;
  const character = characters[escaped ? at + 1 : at] ?? "";
  return { code: character.codePointAt(0) ?? 0, end: at + (escaped ? 2 : 1) };
}

/** `[:digit:]` inside of brackets. */
function classAt(characters: readonly string[], at: number): { member: Member; end: number } | undefined {
  if (characters[at] !== "[" || characters[at + 1] !== ":") return undefined;
  const end = characters.indexOf(":", at + 2);
  const test = end > 0 && characters[end + 1] === "]" ? CLASSES.get(characters.slice(at + 2, end).join("")) : undefined;
  return test === undefined ? undefined : { member: (_, character) => test.test(character), end: end + 2 };
}
