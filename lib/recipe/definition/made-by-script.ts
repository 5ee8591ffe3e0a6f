/**
 * Decides whether a script of a definition file may make a file that the caller's disk lacks: apptainer runs %pre and
 * %setup on the build machine before it copies %files. A script can make a file in ways that no reader of its text
 * finds, so a sign is enough: a missing file then is the builder's to find, and apptainer's own error names it.
 */
import { posix } from "node:path";
import { type GlobMatcher, globMatcher } from "../context/glob.ts";
import { pathPattern } from "../path-pattern.ts";

/** Sections with scripts that apptainer runs on the build machine, outside the image, before it copies %files. */
export const SCRIPTS_BEFORE_FILES: ReadonlySet<string> = new Set(["pre", "setup"]);

/** Separates words and their parts in a shell line. A glob or a brace stays in a word. */
const SEPARATORS = /[\s"'`=<>;&|()]+/;
/** `$NAME`, `${NAME…}`, `$1`: in a name it may stand for any text. */
const VARIABLE = /\$(?:\w+|\{[^{}]*\})|\$/g;
/** A file in the image, which %files cannot copy from. */
const IN_IMAGE = /^\$\{?(?:APPTAINER|SINGULARITY)_ROOTFS\b/;
/** In characters: PATH_MAX of Linux (limits.h). */
const WORD_MAX = 4096;
/** Deeper folders are not compared: each costs a look at the whole path. */
const FOLDERS_MAX = 64;
/** In characters: a name has at most 255 bytes, and variables make it longer. Also bounds each comparison. */
const NAME_MAX = 512;
/** One takes about a microsecond. A script that needs more comparisons counts as one that may make any file. */
const COMPARISONS_MAX = 200_000;

/** The signs in one text of scripts: a path or a folder above it is named, or a file of that name. */
export class ScriptSigns {
  /** Normalised, without a slash at the end. */
  readonly #paths = new Set<string>();
  readonly #names = new Set<string>();
  /** Names with a variable and other characters: `tool-$VERSION.tar`. */
  readonly #variableNames = new Set<string>();
  #matchers: readonly GlobMatcher[] | undefined;
  #comparisons = 0;

  constructor(script: string) {
    for (const line of script.split("\n")) {
      if (/^\s*#/.test(line)) continue;
      for (const word of line.split(SEPARATORS)) if (word !== "") this.#add(word);
    }
  }

  #add(word: string): void {
    if (word.length > WORD_MAX || IN_IMAGE.test(word)) return;
    const beforeVariable = word.split("$")[0] ?? "";
    const path = beforeVariable === word ? word : beforeVariable.slice(0, beforeVariable.lastIndexOf("/") + 1);
    this.#paths.add(posix.normalize(path).replace(/\/$/, ""));
    const name = posix.basename(word);
    // An absolute path without a variable is one file, whatever the name of another.
    if (name.length > NAME_MAX || (word.startsWith("/") && beforeVariable === word)) return;
    // The query of a URL is no part of the name.
    const plain = name.replace(/[?#].*$/s, "");
    if (!name.includes("$")) for (const each of [name, plain]) this.#names.add(each);
    else if (name.replace(VARIABLE, "").replace(/[.{}%#]/g, "") !== "") this.#variableNames.add(name);
  }

  /** `path`: of %files, absolute or relative; `*`, `?` and `[…]` are patterns. */
  mayMake(path: string): boolean {
    if (this.#paths.size === 0) return false;
    const plain = posix.normalize(path).replace(/\/$/, "");
    if (plain === "" || plain === ".") return false;
    const { pattern } = pathPattern(plain, false);
    return this.#namesFolderOf(plain, pattern) || this.#namesFile(posix.basename(plain), pattern);
  }

  #namesFolderOf(path: string, pattern: boolean): boolean {
    const [literal = ""] = pattern ? path.split(/[*?[]/) : [path];
    if (!pattern && this.#paths.has(literal)) return true;
    let end = literal.indexOf("/", 1);
    for (let depth = 0; end > 0 && depth < FOLDERS_MAX; depth += 1) {
      if (this.#paths.has(literal.slice(0, end))) return true;
      end = literal.indexOf("/", end + 1);
    }
    return false;
  }

  #namesFile(name: string, pattern: boolean): boolean {
    if (!pattern && this.#names.has(name)) return true;
    if (name.length > NAME_MAX) return false;
    this.#matchers ??= [...this.#variableNames].map((each) => globMatcher(each.replace(VARIABLE, "*"), "go"));
    this.#comparisons += this.#matchers.length + (pattern ? this.#names.size + this.#variableNames.size : 0);
    if (this.#comparisons > COMPARISONS_MAX) return true;
    if (this.#matchers.some((matches) => matches(name))) return true;
    if (!pattern) return false;
    const matches = globMatcher(name, "shell");
    const filled = [...this.#variableNames].map((each) => each.replace(VARIABLE, "x"));
    return [...this.#names, ...filled].some(matches);
  }
}
