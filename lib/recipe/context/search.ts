/** What the parts of one search share: where it is made, what is taken already, and what is to be told. */
import type { Stats } from "node:fs";
import { CbError } from "../../core/errors.ts";
import type { RecipeInput } from "../recipe-input.ts";
import { type BytePath, shown } from "./byte-path.ts";
import type { ContextEntry } from "./collection.ts";
import { linkTarget } from "./file-access.ts";
import { SkippedFiles } from "./skipped-files.ts";

export class Search {
  /** The caller's directory as the caller names it, and without links. */
  readonly directory: BytePath;
  readonly realDirectory: BytePath;
  readonly leftOut = new SkippedFiles();
  /** `all`: with what is below it, by a walk of its own. `itself`: the entry alone. */
  readonly taken = new Map<BytePath, "all" | "itself">();

  constructor(directory: BytePath, realDirectory: BytePath) {
    this.directory = directory;
    this.realDirectory = realDirectory;
  }

  /** True for the first who asks. */
  take(path: BytePath, how: "all" | "itself"): boolean {
    const sofar = this.taken.get(path);
    if (sofar === undefined || (sofar === "itself" && how === "all")) this.taken.set(path, how);
    return sofar === undefined;
  }
}

/** Whether an archive can hold it and a build can use it: sockets, pipes and devices are of this machine alone. */
export const isSendable = (stat: Stats): boolean => stat.isFile() || stat.isDirectory() || stat.isSymbolicLink();

/** What a recipe names and cannot have. */
export function refusal(want: RecipeInput, path: BytePath, what: string, hint: string): CbError {
  return new CbError("usage", `${want.where}: ${shown(path)} ${what}`, { hint });
}

export function missing(want: RecipeInput, directory: BytePath): CbError {
  const place = want.path.startsWith("/") ? "" : ` in ${shown(directory)}`;
  const what = want.pattern ? `matches nothing${place}` : `does not exist${place}`;
  const hint = want.path.startsWith("/")
    ? "the path means the machine on which you call: correct it in the recipe"
    : "paths mean the directory in which you call: call from another one, or correct the recipe";
  return new CbError("usage", `${want.where}: ${want.path} ${what}`, { hint });
}

export const storedLink = (path: BytePath, stat: Stats): ContextEntry => ({
  path,
  stat,
  as: "stored",
  target: linkTarget(path),
});
