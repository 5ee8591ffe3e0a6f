/** Patterns of apptainer's shell and of Go (buildah), in the form that a Want has for both. */
import type { RecipeInput } from "./recipe-input.ts";

type PathPattern = Pick<RecipeInput, "path" | "pattern">;

/** What stands in brackets without a meaning that the two see differently: no negation, no class, no quoting. */
const PLAIN_CLASS = /^[\w.,+-]+$/;

/**
 * `escapes`: a backslash takes its meaning from the next character, as in Go; else it is a character. Where the two
 * dialects differ, and for what Want has no words, the pattern becomes a wider one: a file too many does no harm.
 */
export function pathPattern(text: string, escapes: boolean): PathPattern {
  let pattern = "";
  let plain = "";
  let special = false;
  for (let at = 0; at < text.length; at += 1) {
    const character = text.charAt(at);
    const end = character === "[" ? endOfClass(text, at) : -1;
    if (end > 0) {
      const inside = text.slice(at + 1, end);
      pattern += PLAIN_CLASS.test(inside) ? `[${inside}]` : "?";
      plain += text.slice(at, end + 1);
      special = true;
      at = end;
      continue;
    }
    const guarded = escapes && character === "\\" && at + 1 < text.length;
    if (guarded) at += 1;
    plain += text.charAt(at);
    pattern += "*?[\\".includes(text.charAt(at)) && (guarded || "[\\".includes(character)) ? "?" : text.charAt(at);
    special ||= !guarded && "*?".includes(character);
  }
  return special ? { path: pattern.replace(/\*{2,}/g, "*"), pattern: true } : { path: plain, pattern: false };
}

/** Of the bracket that closes the one at `begin`; -1 when none does and it is a character like any. */
function endOfClass(text: string, begin: number): number {
  let at = begin + 1;
  if (text[at] === "!" || text[at] === "^") at += 1;
  if (text[at] === "]") at += 1;
  while (at < text.length && text[at] !== "]" && text[at] !== "/") {
    const named = text.startsWith("[:", at) ? text.indexOf(":]", at + 2) : -1;
    at = named > 0 ? named + 2 : at + (text[at] === "\\" ? 2 : 1);
  }
  return text[at] === "]" ? at : -1;
}
