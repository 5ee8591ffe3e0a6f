/** State and errors of one context search, for all its parts. */
import type { Stats } from "node:fs";
import { CbError } from "../../core/errors.ts";
import type { RecipeInput } from "../recipe-input.ts";
import { type BytePath, toText } from "./byte-path.ts";
import type { ContextEntry } from "./collection.ts";
import { linkTarget } from "./file-access.ts";

export class Search {
  /** The caller's directory as the caller names it. */
  readonly directory: BytePath;
  /** The same directory with all links resolved. */
  readonly realDirectory: BytePath;
  readonly skipped = new SkippedFiles();
  /**
   * Paths that the rest of the search skips: another part sends them, or they are excluded. `all`: the path with
   * everything below. `itself`: the entry alone.
   */
  readonly claimed = new Map<BytePath, "all" | "itself">();

  constructor(directory: BytePath, realDirectory: BytePath) {
    this.directory = directory;
    this.realDirectory = realDirectory;
  }

  /** Claims a path for one part of the search. True at the first call for the path, so that each entry is sent once. */
  claim(path: BytePath, extent: "all" | "itself"): boolean {
    const before = this.claimed.get(path);
    if (before === undefined || (before === "itself" && extent === "all")) this.claimed.set(path, extent);
    return before === undefined;
  }
}

const SKIPPED_TEXTS = {
  special: ["socket, pipe or device is not sent", "sockets, pipes or devices are not sent"],
  outside: [
    "link leads out of the directory and is broken on the builder",
    "links lead out of the directory and are broken on the builder",
  ],
  absolute: [
    "absolute link is sent unchanged and is broken on the builder",
    "absolute links are sent unchanged and are broken on the builder",
  ],
  made: [
    "file of the recipe does not exist here; the recipe's own script must make it",
    "files of the recipe do not exist here; the recipe's own scripts must make them",
  ],
  dangling: ["link has no target", "links have no target"],
} as const;

type SkippedKind = keyof typeof SKIPPED_TEXTS;

/** Counts files that are not sent and links that are broken on the builder, to report each kind in one line. */
class SkippedFiles {
  readonly #kinds = new Map<SkippedKind, { count: number; first: string }>();

  add(kind: SkippedKind, path: BytePath, target?: string): void {
    const before = this.#kinds.get(kind);
    if (before !== undefined) before.count += 1;
    else
      this.#kinds.set(kind, { count: 1, first: toText(path) + (target === undefined ? "" : ` -> ${toText(target)}`) });
  }

  /** One line per kind, with the number and the first path. */
  notes(): string[] {
    return [...this.#kinds].map(([kind, { count, first }]) => {
      const [one, many] = SKIPPED_TEXTS[kind];
      return count === 1 ? `1 ${one}: ${first}` : `${count} ${many}, the first: ${first}`;
    });
  }
}

/**
 * True when an archive can hold the entry and a build can use it. Sockets, pipes and devices work only on this machine.
 */
export const isSendable = (stat: Stats): boolean => stat.isFile() || stat.isDirectory() || stat.isSymbolicLink();

/** The error for a path that a recipe names and that cannot be sent. */
export function refusal(input: RecipeInput, path: BytePath, problem: string, hint: string): CbError {
  return new CbError("usage", `${input.where}: ${toText(path)} ${problem}`, { hint });
}

/** The error for a path that does not exist, or a pattern without a match. */
export function missing(input: RecipeInput, directory: BytePath): CbError {
  const place = input.path.startsWith("/") ? "" : ` in ${toText(directory)}`;
  const problem = input.pattern ? `matches nothing${place}` : `does not exist${place}`;
  const hint = input.path.startsWith("/")
    ? "an absolute path is read on the machine where you call: correct it in the recipe"
    : "a relative path starts in the directory where you call: call from another directory, or correct the recipe";
  return new CbError("usage", `${input.where}: ${input.path} ${problem}`, { hint });
}

export const storedLink = (path: BytePath, stat: Stats): ContextEntry => ({
  path,
  stat,
  as: "stored",
  target: linkTarget(path),
});
