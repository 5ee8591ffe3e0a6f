/**
 * One pattern of an ignore file, with docker's meaning: it starts at the directory, `**` stands for any number of folders, and
 * a path below a matching folder matches too. Paths and patterns are compared folder by folder, and a mismatch returns to the
 * last `**` only, so the work is at most the product of the lengths of pattern and path.
 */
import { globMatcher, isPattern } from "./glob.ts";

export interface IgnoreRule {
  /** A line that begins with `!`: a path that it matches is not ignored. */
  readonly reincludes: boolean;
  /** `names`: the path's folders and its own name, from the directory on. */
  matches(names: readonly string[]): boolean;
  /** True when something below this folder might match. */
  mayMatchBelow(folder: readonly string[]): boolean;
}

/** `**` as a whole name: any number of folders. */
const ANY_FOLDERS = Symbol("**");
type Part = typeof ANY_FOLDERS | ((name: string) => boolean);

/** A name may contain `**` besides other characters; each occurrence doubles the number of alternatives. */
const INNER_MAX = 3;

/** Undefined for an empty line or a comment. Calls `refuse` for a pattern with more than INNER_MAX `**` inside of names. */
export function ignoreRule(line: string, refuse: (problem: string) => never): IgnoreRule | undefined {
  if (line.startsWith("#")) return undefined;
  const trimmed = line.trim();
  const reincludes = trimmed.startsWith("!");
  const names = cleanNames((reincludes ? trimmed.slice(1) : trimmed).trim());
  if (names === undefined || names.length === 0) return undefined;
  const alternatives = alternativesOf(names, refuse).map((alternative) => alternative.map(partOf));
  return {
    reincludes,
    matches: (path) => alternatives.some((parts) => matchesPrefix(parts, path)),
    mayMatchBelow: (folder) => alternatives.some((parts) => mayLeadBelow(parts, folder)),
  };
}

/**
 * As Go's filepath.Clean: without empty names and `.`, and `a/..` cancelled. Undefined for a pattern that leads out of the
 * directory, since no path in it matches.
 */
function cleanNames(pattern: string): string[] | undefined {
  const names: string[] = [];
  for (const name of pattern.split("/")) {
    if (name === "..") {
      if (names.pop() === undefined && !pattern.startsWith("/")) return undefined;
    } else if (name !== "" && name !== ".") names.push(name);
  }
  return names;
}

/** `a**b` matches as `a*b` and as `a*`, any folders, `*b`. */
function alternativesOf(names: readonly string[], refuse: (problem: string) => never): string[][] {
  let done: string[][] = [[]];
  let inner = 0;
  for (const name of names) {
    const pieces = name === "**" ? [name] : name.split(/\*{2,}/);
    inner += pieces.length - 1;
    if (inner > INNER_MAX) refuse(`has more than ${INNER_MAX} times ** inside of names`);
    const [first = "", ...rest] = pieces;
    let variants: string[][] = [[first]];
    for (const piece of rest) {
      variants = variants.flatMap((variant) => {
        const last = variant.at(-1) ?? "";
        return [
          [...variant.slice(0, -1), `${last}*${piece}`],
          [...variant.slice(0, -1), `${last}*`, "**", `*${piece}`],
        ];
      });
    }
    if (variants.length === 1) for (const before of done) before.push(...(variants[0] ?? []));
    else done = done.flatMap((before) => variants.map((variant) => [...before, ...variant]));
  }
  return done;
}

function partOf(name: string): Part {
  if (name === "**") return ANY_FOLDERS;
  return isPattern(name) ? globMatcher(name, "go") : (found) => found === name;
}

/** True when the pattern matches the whole path or a folder above it. */
function matchesPrefix(parts: readonly Part[], path: readonly string[]): boolean {
  let part = 0;
  let at = 0;
  let folders = -1;
  let foldersAt = 0;
  while (part < parts.length) {
    const name = path[at];
    // Every remaining part, a final `**` included, matches one name at least.
    if (name === undefined) return false;
    const expected = parts[part];
    if (expected === ANY_FOLDERS) {
      if (part === parts.length - 1) return true;
      folders = part++;
      foldersAt = at;
    } else if (expected?.(name)) {
      part += 1;
      at += 1;
    } else if (folders >= 0) {
      part = folders + 1;
      at = ++foldersAt;
    } else return false;
  }
  return true;
}

function mayLeadBelow(parts: readonly Part[], folder: readonly string[]): boolean {
  for (const [index, name] of folder.entries()) {
    const part = parts[index];
    if (part === undefined || part === ANY_FOLDERS) return true;
    if (!part(name)) return false;
  }
  return true;
}
