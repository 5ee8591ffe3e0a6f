/**
 * Ignore files with docker's meaning: a pattern starts at the directory, `**` stands for any number of folders, what is
 * below an ignored folder is ignored, `!` takes back, and the last pattern that matches decides.
 */
import { readFileSync } from "node:fs";
import { CbError, messageOf } from "../../core/errors.ts";
import { type BytePath, shown, toBytes, under } from "./byte-path.ts";
import { globSource } from "./glob.ts";

export interface IgnoreFile {
  /** Its name in the directory. */
  readonly name: string;
  /** `path` is relative to the directory, without a slash at either end. */
  ignores(path: BytePath): boolean;
  /** Whether a `!` pattern might take back something below this ignored folder. */
  mayHoldWanted(folder: BytePath): boolean;
}

/** Longer ones are a mistake: those of large projects stay under 10 kB. */
const MAX_BYTES = 1024 * 1024;

/** The first of `names` that the directory has. Throws CbError "usage" when it cannot be read. */
export function readIgnoreFile(directory: BytePath, names: readonly string[]): IgnoreFile | undefined {
  for (const name of names) {
    const path = under(directory, name);
    let text: string;
    try {
      text = readFileSync(toBytes(path), "utf8");
    } catch (cause) {
      if (cause instanceof Error && "code" in cause && cause.code === "ENOENT") continue;
      throw new CbError("usage", `cannot read ${shown(path)}: ${messageOf(cause)}`, { cause });
    }
    if (text.length > MAX_BYTES) {
      const hint = "an ignore file holds a pattern a line";
      throw new CbError("usage", `${shown(path)} is longer than ${MAX_BYTES} bytes`, { hint });
    }
    return ignoreFile(name, text);
  }
  return undefined;
}

interface Rule {
  readonly takesBack: boolean;
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
      const text = shown(path);
      return rules.findLast((rule) => rule.matches.test(text))?.takesBack === false;
    },
    mayHoldWanted: (folder) => {
      const parts = shown(folder).split("/");
      return rules.some((rule) => rule.takesBack && mayLeadBelow(rule.parts, parts));
    },
  };
}

function readRule(line: string): Rule[] {
  if (line.startsWith("#")) return [];
  const trimmed = line.trim();
  const takesBack = trimmed.startsWith("!");
  const parts = cleanParts((takesBack ? trimmed.slice(1) : trimmed).trim());
  if (parts.length === 0) return [];
  return [{ takesBack, parts, matches: new RegExp(`^${sourceOf(parts)}(?:/.*)?$`, "su") }];
}

/** As Go's filepath.Clean on a path that is anchored at the directory. */
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

/** Whether the first parts of a pattern fit the folder, so that the rest may fit something below it. */
function mayLeadBelow(pattern: readonly string[], folder: readonly string[]): boolean {
  for (const [index, name] of folder.entries()) {
    const part = pattern[index];
    if (part === undefined) return true;
    if (part.includes("**")) return true;
    if (!new RegExp(`^${globSource(part)}$`, "su").test(name)) return false;
  }
  return true;
}
