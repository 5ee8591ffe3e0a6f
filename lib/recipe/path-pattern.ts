/** Converts path patterns of apptainer's shell and of Go (buildah) into the one form that a RecipeInput has. */
import type { RecipeInput } from "./recipe-input.ts";

export type PathPattern = Pick<RecipeInput, "path" | "pattern">;

/** The inside of brackets that shell and Go read alike: no negation, no named class, no quoting. */
const PLAIN_CLASS = /^[\w.,+-]+$/;

/**
 * `escapes`: true when a backslash makes the next character literal, as in Go; false when it is an ordinary character.
 * The result is a wider pattern when the two dialects differ, or when a RecipeInput cannot express the pattern: the
 * context may then contain files that the recipe does not need, which does no harm.
 */
export function pathPattern(text: string, escapes: boolean): PathPattern {
  if (!/[*?[\\]/.test(text)) return { path: text, pattern: false };
  let pattern = "";
  let plain = "";
  let special = false;
  const scan = { dead: new Uint8Array(text.length + 1), lastNamed: text.lastIndexOf(":]") };
  for (let at = 0; at < text.length; at += 1) {
    const character = text.charAt(at);
    const end = character === "[" ? endOfClass(text, at, scan) : -1;
    if (end > 0) {
      const inside = text.slice(at + 1, end);
      pattern += PLAIN_CLASS.test(inside) ? `[${inside}]` : "?";
      plain += text.slice(at, end + 1);
      special = true;
      at = end;
      continue;
    }
    const isEscaped = escapes && character === "\\" && at + 1 < text.length;
    if (isEscaped) at += 1;
    plain += text.charAt(at);
    pattern += "*?[\\".includes(text.charAt(at)) && (isEscaped || "[\\".includes(character)) ? "?" : text.charAt(at);
    special ||= !isEscaped && "*?".includes(character);
  }
  return special ? { path: pattern.replace(/\*{2,}/g, "*"), pattern: true } : { path: plain, pattern: false };
}

interface Scan {
  /** 1 at positions that a scan has visited. If no class ended there, none does for the next scan. */
  readonly dead: Uint8Array;
  /** Position of the last end of a named class; -1 when there is none. */
  readonly lastNamed: number;
}

/** Position of the bracket that closes the one at `begin`; -1 when there is none, and `[` is an ordinary character. */
function endOfClass(text: string, begin: number, { dead, lastNamed }: Scan): number {
  let at = begin + 1;
  if (text[at] === "!" || text[at] === "^") at += 1;
  if (text[at] === "]") at += 1;
  while (at < text.length && text[at] !== "]" && text[at] !== "/" && dead[at] !== 1) {
    dead[at] = 1;
    const named = at + 2 <= lastNamed && text.startsWith("[:", at) ? text.indexOf(":]", at + 2) : -1;
    at = named > 0 ? named + 2 : at + (text[at] === "\\" ? 2 : 1);
  }
  return text[at] === "]" ? at : -1;
}
