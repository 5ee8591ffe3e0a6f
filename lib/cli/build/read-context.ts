/** Finds the build context: the local files that the recipe reads. Nothing is sent before it is complete. */
import { realpath, stat } from "node:fs/promises";
import { CbError, codeOf, messageOf } from "../../core/errors.ts";
import { readFailure } from "../../core/read-failure.ts";
import type { Recipe } from "../../protocol/build-messages.ts";
import { type Context, findContext } from "../../recipe/context/find.ts";
import { inputsOf } from "../../recipe/inputs.ts";
import { absolute, workingDirectory } from "./working-directory.ts";

export interface ContextRequest {
  readonly recipe: Recipe;
  /** Where the recipe's relative paths start; undefined: the working directory. */
  readonly directory: string | undefined;
  /** True: the whole directory, except for the files that its ignore file names. */
  readonly whole: boolean;
  /** Absolute. */
  readonly imagePath: string;
  readonly signal: AbortSignal;
}

/**
 * Undefined if the recipe reads no local file. Throws CbError "usage" for a directory or a file that is missing or unreadable, a
 * link that leads out of the directory, and too many files.
 */
export async function readContext(request: ContextRequest): Promise<Context | undefined> {
  const { recipe, whole, imagePath, signal } = request;
  const directory = await existingDirectory(
    request.directory === undefined ? workingDirectory() : absolute(request.directory),
  );
  const { backend, ignoreFile } = recipe;
  return findContext({ directory, backend, inputs: inputsOf(recipe), ignoreFile, whole, imagePath }, signal);
}

async function existingDirectory(path: string): Promise<string> {
  const hint = "--context names the directory where the recipe's paths start";
  try {
    if ((await stat(path)).isDirectory()) return await realpath(path);
  } catch (cause) {
    const { kind } = readFailure(codeOf(cause));
    throw new CbError(kind, `cannot read the directory ${path}: ${messageOf(cause)}`, { hint, cause });
  }
  throw new CbError("usage", `${path} is not a directory`, { hint });
}
