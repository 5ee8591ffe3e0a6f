/** Reads a definition file or a Dockerfile, with the path of its own ignore file. */
import { stat } from "node:fs/promises";
import { CbError, codeOf, messageOf } from "../../core/errors.ts";
import { readFailure } from "../../core/read-failure.ts";
import type { Backend, Recipe } from "../../protocol/build-messages.ts";
import { backendOf } from "../../recipe/backend.ts";
import { readText, STANDARD_INPUT } from "./read-text.ts";
import { absolute } from "./working-directory.ts";

/**
 * `path`: `-` for standard input. Throws CbError "usage" as readText(), for a text of unknown kind, and
 * for an ignore file of it that cannot be read; "infrastructure" when the disk or the machine fails.
 */
export async function readRecipe(path: string, backend: Backend | undefined): Promise<Recipe> {
  const text = await readText(path, "recipe");
  const kind = backend ?? backendOf(text, path === STANDARD_INPUT ? "standard input" : path);
  const ignoreFile = kind === "docker" && path !== STANDARD_INPUT ? await ignoreFileOf(absolute(path)) : undefined;
  return { backend: kind, text, ...(ignoreFile === undefined ? {} : { ignoreFile }) };
}

/** In buildah's order (1.39: pkg/parse, ContainerIgnoreFile): the second is used when there is no first. */
const IGNORE_SUFFIXES = [".dockerignore", ".containerignore"];

async function ignoreFileOf(path: string): Promise<string | undefined> {
  for (const suffix of IGNORE_SUFFIXES) {
    const exists = await stat(path + suffix).then(
      () => true,
      (cause: unknown) => {
        const code = codeOf(cause) || messageOf(cause);
        if (ABSENT_CODES.includes(code)) return false;
        // Without its ignore file a build would send the files that it excludes.
        const { kind, hint } = readFailure(code);
        throw new CbError(kind, `cannot read the ignore file ${path}${suffix} (${code})`, { hint, cause });
      },
    );
    if (exists) return path + suffix;
  }
  return undefined;
}

/** Errors of stat(2) for a name without a file, or a name that no file can have. */
const ABSENT_CODES = ["ENOENT", "ENOTDIR", "ENAMETOOLONG"];
