/** From the wants of a recipe to the list of what is sent, looked through before a byte is. */
import type { Stats } from "node:fs";
import { setImmediate as nextTurn } from "node:timers/promises";
import { CbError } from "../../core/errors.ts";
import type { Backend } from "../../protocol/build-messages.ts";
import type { RecipeInput } from "../recipe-input.ts";
import { type BytePath, fromText, shown } from "./byte-path.ts";
import { Collection, type ContextEntry } from "./collection.ts";
import { copiedFiles } from "./copied-files.ts";
import { definitionFiles } from "./definition-files.ts";
import { checkReadable, lookAt, lookThrough, realPath } from "./file-access.ts";
import { Search } from "./search.ts";
import { wholeDirectory } from "./whole-directory.ts";

export interface ContextOptions {
  /** Where the caller is, absolute: what relative paths start from. */
  readonly directory: string;
  /** Whose rules the wants follow: apptainer's or buildah's. */
  readonly backend: Backend;
  readonly wants: readonly RecipeInput[];
  /** The whole directory too, less what its ignore file lists. */
  readonly whole: boolean;
  /** Absolute: the image that is to come here. An older one of its name is no part of the whole directory. */
  readonly imagePath?: string;
}

/** What is going to be sent. */
export interface Context {
  readonly directory: string;
  /** Regular files, counted by name. */
  readonly files: number;
  /** Of content. */
  readonly bytes: number;
  /** No archive of it is longer: storage is reserved from this. */
  readonly maxArchiveBytes: number;
  /** The highest user or group id that owns one of the files. */
  readonly highestId: number;
  /** What is left out, or leads nowhere on the builder, for the caller. */
  readonly notes: readonly string[];
  /** What tar packs, one after the other. */
  readonly parts: readonly Collection[];
}

/** A look takes microseconds; after this many the process hears signals and messages. */
const LOOKS_A_TURN = 512;

/**
 * Undefined when nothing is wanted. Throws CbError "usage" naming the want, the path and the remedy: on what is missing,
 * cannot be read, is neither file nor folder, or leads out of the directory where it must not; or what `signal` aborts with.
 */
export async function findContext(options: ContextOptions, signal?: AbortSignal): Promise<Context | undefined> {
  if (options.wants.length === 0 && !options.whole) return undefined;
  const directory = fromText(options.directory);
  const stat = statOf(directory);
  const search = new Search(directory, realPath(directory) ?? directory);
  const stored = new Collection("stored");
  const followed = new Collection("followed");
  let looks = 0;
  for (const entry of entries(options, stat, search)) {
    if (entry !== undefined) (entry.as === "stored" ? stored : followed).add(entry);
    looks += 1;
    if (looks % LOOKS_A_TURN === 0) await nextTurn();
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
    notes: search.leftOut.notes(),
    parts,
  };
}

function statOf(directory: BytePath): Stats {
  const stat = lookThrough(directory);
  if (stat?.isDirectory() !== true) {
    const hint = "call from a directory that exists";
    throw new CbError("usage", `${shown(directory)} is no directory`, { hint });
  }
  checkReadable(directory);
  return stat;
}

/** What is wanted comes first: it is sent in any case, and has its own rules. */
function* entries(
  { wants, whole, backend, imagePath }: ContextOptions,
  stat: Stats,
  search: Search,
): Generator<ContextEntry | undefined> {
  // A build begins in it, even when it is empty.
  search.take(search.directory, "itself");
  const asItIs = lookAt(search.directory)?.isDirectory() === true && (backend === "docker" || wants.length === 0);
  yield { path: search.directory, stat, as: asItIs ? "stored" : "followed" };
  yield* backend === "docker" ? copiedFiles(wants, search) : definitionFiles(wants, search);
  if (imagePath !== undefined) search.take(fromText(imagePath), "all");
  if (whole) yield* wholeDirectory(stat, search);
}
