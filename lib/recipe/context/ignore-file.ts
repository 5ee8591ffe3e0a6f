/**
 * Reads ignore files with docker's rules: a pattern starts at the directory, `**` matches any number of folders,
 * everything below an ignored folder is ignored, `!` re-includes paths, and the last pattern that matches decides.
 */
import { readFileSync } from "node:fs";
import { CbError, messageOf } from "../../core/errors.ts";
import { type BytePath, childPath, toBytes, toText } from "./byte-path.ts";
import { globSource } from "./glob.ts";

export interface IgnoreFile {
  /** Its name in the directory. */
  readonly name: string;
  /** `path` is relative to the directory, without a slash at either end. */
  ignores(path: BytePath): boolean;
  /** True when a `!` pattern might re-include a path below this ignored folder. */
  mayReincludeBelow(folder: BytePath): boolean;
}

/** A longer file is a mistake: ignore files of large projects stay under 10 kB. */
const MAX_BYTES = 1024 * 1024;

/**
 * The first of `names` that exists in the directory. Throws CbError "usage" when it cannot be read or is longer than 1
 * MiB.
 */
export function readIgnoreFile(directory: BytePath, names: readonly string[]): IgnoreFile | undefined {
  for (const name of names) {
    const path = childPath(directory, name);
    let text: string;
    try {
      text = readFileSync(toBytes(path), "utf8");
    } catch (cause) {
      if (cause instanceof Error && "code" in cause && cause.code === "ENOENT") continue;
      throw new CbError("usage", `cannot read the ignore file ${toText(path)}: ${messageOf(cause)}`, {
        hint: "make it readable for your user, or remove it",
        cause,
      });
    }
    if (text.length > MAX_BYTES) {
      const hint = "write one pattern per line, with wildcards instead of single files";
      throw new CbError("usage", `the ignore file ${toText(path)} is longer than ${MAX_BYTES} bytes`, { hint });
    }
    return ignoreFile(name, text);
  }
  return undefined;
}

interface Rule {
  /** True for a `!` pattern. */
  readonly reincludes: boolean;
  readonly parts: readonly string[];
  readonly matches: RegExp;
}

export function ignoreFile(name: string, text: string): IgnoreFile {
  const rules = text
    .replace(/^\uFEFF/, "")
    .split("\n")
    .flatMap(readRule);
  return {
    name,
    ignores: (path) => {
      const text = toText(path);
      return rules.findLast((rule) => rule.matches.test(text))?.reincludes === false;
    },
    mayReincludeBelow: (folder) => {
      const parts = toText(folder).split("/");
      return rules.some((rule) => rule.reincludes && mayMatchBelow(rule.parts, parts));
    },
  };
}

function readRule(line: string): Rule[] {
  if (line.startsWith("#")) return [];
  const trimmed = line.trim();
  const reincludes = trimmed.startsWith("!");
  const parts = cleanParts((reincludes ? trimmed.slice(1) : trimmed).trim());
  if (parts.length === 0) return [];
  return [{ reincludes, parts, matches: new RegExp(`^${sourceOf(parts)}(?:/.*)?$`, "su") }];
}

/** The parts of the pattern after Go's filepath.Clean, anchored at the directory. */
function cleanParts(pattern: string): string[] {
  const parts: string[] = [];
  for (const part of pattern.split("/")) {
    if (part === "..") parts.pop();
    else if (part !== "" && part !== ".") parts.push(part);
  }
  return parts;
}

function sourceOf(parts: readonly string[]): string {
  let source = "";
  parts.forEach((part, index) => {
    const last = index === parts.length - 1;
    if (part === "**") source += last ? ".*" : "(?:.*/)?";
    else source += `${part.split("**").map(globSource).join(".*")}${last ? "" : "/"}`;
  });
  return source;
}

/** True when the first parts of a pattern match the folder, so that the rest may match a path below it. */
function mayMatchBelow(pattern: readonly string[], folder: readonly string[]): boolean {
  for (const [index, name] of folder.entries()) {
    const part = pattern[index];
    if (part === undefined) return true;
    if (part.includes("**")) return true;
    if (!new RegExp(`^${globSource(part)}$`, "su").test(name)) return false;
  }
  return true;
}
