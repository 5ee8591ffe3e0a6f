/** Decides what RECIPE names: a recipe file, standard input, a folder, an image file, or a source as docker://NAME. */
import { open, stat } from "node:fs/promises";
import { CbError } from "../../core/errors.ts";
import type { Backend, Recipe } from "../../protocol/build-messages.ts";
import { definitionOf, definitionOfUri } from "../../recipe/definition/of-source.ts";
import type { BuildOptionValues } from "./options/declare.ts";
import { readRecipe } from "./read-recipe.ts";
import { STANDARD_INPUT } from "./read-text.ts";
import { recipeIn } from "./recipe-folder.ts";
import { absolute } from "./working-directory.ts";

export interface Source {
  readonly recipe: Recipe;
  /** The recipe as messages name it: its path or the source. */
  readonly shown: string;
  /** The file that was read. Undefined for standard input and a source. */
  readonly path?: string;
  /** Where the recipe's relative paths start. Undefined: the working directory. */
  readonly directory?: string;
  /** Tells the user what was chosen, if the call does not say it. */
  readonly notes: readonly string[];
}

type SourceOptions = Pick<BuildOptionValues, "file" | "context"> & { readonly backend?: Backend };

/**
 * `named`: RECIPE, absent if the call has --file. Throws CbError "usage" for a call without a recipe or with two, a folder without
 * one, a source that a builder cannot reach, and as readRecipe().
 */
export async function readSource(named: string | undefined, options: SourceOptions): Promise<Source> {
  if (options.file !== undefined) return fileOption(named, options.file, options);
  if (named === undefined) {
    throw new CbError("usage", "missing required argument 'recipe'", {
      hint: "the order is IMAGE RECIPE; see container-builder --help",
    });
  }
  if (named === STANDARD_INPUT) return recipeFile(STANDARD_INPUT, options);
  const kind = await kindOf(named);
  if (kind === "absent") {
    const text = definitionOfUri(named);
    if (text !== undefined) return definition(text, named, options);
    if (/^[\w./-]+:[\w.-]+$/.test(named) && !named.endsWith(".def")) throw notFound(named);
  }
  if (kind === "folder") return folder(named, options);
  if (kind === "image") return definition(definitionOf("localimage", absolute(named)), named, options);
  if (kind === "archive") {
    throw new CbError("usage", `${named} is an archive, not a recipe`, {
      hint: `for an image of docker save write docker-archive:${named}, for one in OCI's form oci-archive:${named}`,
    });
  }
  return recipeFile(named, options);
}

const notFound = (named: string): CbError =>
  new CbError("usage", `${named} is neither a file nor a source`, {
    hint: `for an image of a registry write docker://${named}; the order is IMAGE RECIPE`,
  });

async function recipeFile(path: string, { backend, context }: SourceOptions, directory = context): Promise<Source> {
  const recipe = await readRecipe(path, backend);
  const shown = path === STANDARD_INPUT ? "standard input" : path;
  return {
    recipe,
    shown,
    ...(path === STANDARD_INPUT ? {} : { path }),
    ...(directory === undefined ? {} : { directory }),
    notes: [],
  };
}

/** docker's form: `--file FILE FOLDER`. */
async function fileOption(named: string | undefined, file: string, options: SourceOptions): Promise<Source> {
  if (named === undefined) return recipeFile(file, options);
  if ((await kindOf(named)) !== "folder") {
    throw new CbError("usage", `--file ${file} and ${named} are two recipes`, {
      hint: "leave one of them out; with --file, the second argument is the folder where the recipe's paths start",
    });
  }
  return recipeFile(file, options, oneDirectory(named, options));
}

async function folder(path: string, options: SourceOptions): Promise<Source> {
  const directory = oneDirectory(path, options);
  const file = await recipeIn(path, options.backend);
  const source = await recipeFile(file, options, directory);
  return { ...source, notes: [`${path} is a folder: its recipe is ${file}, and relative paths start in ${directory}`] };
}

function oneDirectory(named: string, { context }: SourceOptions): string {
  if (context === undefined || absolute(context) === absolute(named)) return named;
  throw new CbError("usage", `${named} and --context ${context} are two folders for the recipe's paths`, {
    hint: "leave --context out",
  });
}

function definition(text: string, shown: string, { backend, context }: SourceOptions): Source {
  if (backend === "docker") {
    throw new CbError("usage", `${shown} is no Dockerfile`, { hint: "leave --backend out" });
  }
  return {
    recipe: { backend: "singularity", text },
    shown,
    ...(context === undefined ? {} : { directory: context }),
    notes: [],
  };
}

type Kind = "absent" | "folder" | "image" | "archive" | "text";

/** Where the magic numbers of images and archives are: SIF, squashfs, tar, gzip. */
const MAGIC: readonly (readonly [kind: Kind, at: number, bytes: string])[] = [
  ["image", 32, "SIF_MAGIC"],
  ["image", 0, "hsqs"],
  ["archive", 257, "ustar"],
  ["archive", 0, "\x1f\x8b"],
];
const MAGIC_BYTES = 512;

/** A file that cannot be read counts as a text: reading the recipe gives the error. A pipe is not read here. */
async function kindOf(path: string): Promise<Kind> {
  try {
    const info = await stat(path);
    if (info.isDirectory()) return "folder";
    if (!info.isFile()) return "text";
    const file = await open(path, "r");
    try {
      const { buffer, bytesRead } = await file.read(Buffer.alloc(MAGIC_BYTES), 0, MAGIC_BYTES, 0);
      const begin = buffer.toString("latin1", 0, bytesRead);
      return MAGIC.find(([, at, bytes]) => begin.startsWith(bytes, at))?.[0] ?? "text";
    } finally {
      await file.close();
    }
  } catch (error) {
    return error instanceof Error && "code" in error && error.code === "ENOENT" ? "absent" : "text";
  }
}
