/**
 * Reads ignore files with buildah's rules: a pattern starts at the directory, `**` matches any number of folders,
 * everything below an ignored folder is ignored, `!` re-includes paths, and the last pattern that matches decides.
 */
import { CbError } from "../../core/errors.ts";
import { type BytePath, toText } from "./byte-path.ts";
import { readSmallFile } from "./file-access.ts";
import { type IgnoreRule, ignoreRule } from "./ignore-rule.ts";

export interface IgnoreFile {
  readonly path: BytePath;
  /** `path` is relative to the directory, without a slash at either end. */
  ignores(path: BytePath): boolean;
  /** True when a `!` pattern might re-include a path below this ignored folder. */
  mayReincludeBelow(folder: BytePath): boolean;
}

/** A longer file is a mistake: ignore files of large projects stay under 10 kB. */
const MAX_BYTES = 256 * 1024;
/** Ignore files of large projects have some hundreds. Each path of a context is compared with each pattern. */
const PATTERNS_MAX = 10_000;
/** In characters: PATH_MAX of Linux (limits.h), so that a longer pattern is a mistake. */
const PATTERN_MAX = 4096;

/**
 * The first of `paths` that exists. Throws CbError "usage" when it cannot be read, is no regular file or longer than 256
 * KiB, and as ignoreFile().
 */
export function readIgnoreFile(paths: readonly BytePath[]): IgnoreFile | undefined {
  for (const path of paths) {
    const bytes = readSmallFile(path, MAX_BYTES);
    if (bytes === undefined) continue;
    if (bytes.length > MAX_BYTES) {
      const hint = "write one pattern per line, with wildcards instead of single files";
      throw new CbError("usage", `the ignore file ${toText(path)} is longer than ${MAX_BYTES} bytes`, { hint });
    }
    return ignoreFile(path, bytes.toString("utf8"));
  }
  return undefined;
}

/** Throws CbError "usage" that names the line for a pattern that is too long or too complex, and for too many. */
export function ignoreFile(path: BytePath, text: string): IgnoreFile {
  const rules = rulesOf(path, text);
  return {
    path,
    ignores: (relative) => {
      const names = namesOf(relative);
      return rules.findLast((rule) => rule.matches(names))?.reincludes === false;
    },
    mayReincludeBelow: (folder) => {
      const names = namesOf(folder);
      return rules.some((rule) => rule.reincludes && rule.mayMatchBelow(names));
    },
  };
}

const namesOf = (path: BytePath): string[] => toText(path).split("/");

function rulesOf(path: BytePath, text: string): IgnoreRule[] {
  const rules: IgnoreRule[] = [];
  for (const [index, line] of text
    .replace(/^\uFEFF/, "")
    .split("\n")
    .entries()) {
    const refuse = (problem: string, hint: string): never => {
      throw new CbError("usage", `line ${index + 1} of the ignore file ${toText(path)} ${problem}`, { hint });
    };
    if (line.length > PATTERN_MAX && !line.startsWith("#"))
      refuse(`has ${line.length} characters; the limit is ${PATTERN_MAX}`, "write one pattern per line");
    const rule = ignoreRule(line, (problem) => refuse(problem, "split it into several patterns"));
    if (rule !== undefined) rules.push(rule);
    if (rules.length > PATTERNS_MAX)
      refuse(`is beyond the limit of ${PATTERNS_MAX} patterns`, "write wildcards instead of single files");
  }
  return rules;
}
