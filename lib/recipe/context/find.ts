/** Turns the inputs of a recipe into the list of files to send. Every file is checked before the first byte is sent. */
import type { Stats } from "node:fs";
import { setImmediate as nextTurn } from "node:timers/promises";
import { CbError } from "../../core/errors.ts";
import type { Backend } from "../../protocol/build-messages.ts";
import type { RecipeInput } from "../recipe-input.ts";
import { type BytePath, fromText, toText } from "./byte-path.ts";
import { Collection, type ContextEntry } from "./collection.ts";
import { copiedFiles } from "./copied-files.ts";
import { definitionFiles } from "./definition-files.ts";
import { checkReadable, lstatOf, realPath, statOf } from "./file-access.ts";
import { Search } from "./search.ts";
import { wholeDirectory } from "./whole-directory.ts";

export interface ContextOptions {
  /** The caller's directory, absolute: relative paths start here. */
  readonly directory: string;
  /** Selects the rules for `inputs`: apptainer's or buildah's. */
  readonly backend: Backend;
  readonly inputs: readonly RecipeInput[];
  /** Absolute path of the ignore file that belongs to the recipe itself, when there is one. */
  readonly ignoreFile?: string | undefined;
  /** True: send the whole directory too, except the paths in its ignore file. */
  readonly whole: boolean;
  /** Absolute path of the image to build. An older image at this path is not sent with the whole directory. */
  readonly imagePath?: string;
}

/** The files to send. */
export interface Context {
  readonly directory: string;
  /** Number of regular files; a file with two names counts twice. */
  readonly files: number;
  /** Size of their content. */
  readonly bytes: number;
  /** Upper bound of the archive's size; storage is reserved from it. */
  readonly maxArchiveBytes: number;
  /** The highest user or group id that owns one of the files. */
  readonly highestId: number;
  /** For the caller: files that are not sent, and links that are broken on the builder. One line per kind. */
  readonly notes: readonly string[];
  /** tar packs each part into one archive, in this order. */
  readonly parts: readonly Collection[];
}

/**
 * After this time, the search yields to the event loop, so that signals and messages are handled. One check takes
 * microseconds, and milliseconds with the longest ignore file or on a slow file server.
 */
const TURN_MS = 20;

/**
 * Undefined when the recipe has no inputs and `whole` is false. Throws CbError "usage" that names the line of the
 * recipe, the path and the remedy, for a path that is missing, cannot be read, is neither file nor folder, or leads out
 * of the directory where that is not allowed. Throws the reason of `signal` when it is aborted.
 */
export async function findContext(options: ContextOptions, signal?: AbortSignal): Promise<Context | undefined> {
  if (options.inputs.length === 0 && !options.whole) return undefined;
  const directory = fromText(options.directory);
  const stat = directoryStat(directory);
  const search = new Search(directory, realPath(directory) ?? directory);
  const stored = new Collection("stored");
  const followed = new Collection("followed");
  let turnEndsMs = performance.now() + TURN_MS;
  for (const entry of entries(options, stat, search)) {
    if (entry !== undefined) (entry.as === "stored" ? stored : followed).add(entry);
    if (performance.now() > turnEndsMs) {
      await nextTurn();
      turnEndsMs = performance.now() + TURN_MS;
    }
    signal?.throwIfAborted();
  }
  const parts = [stored, followed].filter(({ paths }) => paths.length > 0);
  const sum = (of: (part: Collection) => number): number => parts.reduce((total, part) => total + of(part), 0);
  return {
    directory: options.directory,
    files: sum((part) => part.files),
    bytes: sum((part) => part.bytes),
    maxArchiveBytes: sum((part) => part.maxArchiveBytes),
    highestId: Math.max(...parts.map((part) => part.highestId)),
    notes: search.skipped.notes(),
    parts,
  };
}

function directoryStat(directory: BytePath): Stats {
  const stat = statOf(directory);
  if (stat?.isDirectory() !== true) {
    const hint = "call from an existing directory, or name one with --context";
    throw new CbError("usage", `${toText(directory)} is no directory`, { hint });
  }
  checkReadable(directory);
  return stat;
}

/** The recipe's inputs precede the whole directory: they are sent in any case and have their own rules. */
function* entries(
  { inputs, whole, backend, imagePath, ignoreFile }: ContextOptions,
  stat: Stats,
  search: Search,
): Generator<ContextEntry | undefined> {
  // The build starts in the directory, so it is sent even when it is empty.
  search.claim(search.directory, "itself");
  const isStored = lstatOf(search.directory)?.isDirectory() === true && (backend === "docker" || inputs.length === 0);
  yield { path: search.directory, stat, as: isStored ? "stored" : "followed" };
  const ofRecipe = ignoreFile === undefined ? undefined : fromText(ignoreFile);
  yield* backend === "docker" ? copiedFiles(inputs, search, ofRecipe) : definitionFiles(inputs, search);
  if (imagePath !== undefined) search.claim(fromText(imagePath), "all");
  if (whole) yield* wholeDirectory(stat, search, ofRecipe);
}
