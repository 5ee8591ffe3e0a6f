/** Finds the recipe in a folder, as docker and buildah do, and as people name definition files. */
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { CbError, messageOf } from "../../core/errors.ts";
import { readFailure } from "../../core/read-failure.ts";
import type { Backend } from "../../protocol/build-messages.ts";

const DOCKERFILES = ["Containerfile", "Dockerfile"];
const DEFINITIONS = ["Singularity", "Apptainer"];

/** `backend`: the kind that the user wants, if not either. Throws CbError "usage" when the folder has no recipe, or several. */
export async function recipeIn(folder: string, backend: Backend | undefined): Promise<string> {
  const names = await namesIn(folder);
  const dockerfiles = DOCKERFILES.filter((name) => names.includes(name));
  const definitions = names.filter((name) => name.endsWith(".def") || DEFINITIONS.includes(name)).sort();
  const found = [...(backend === "singularity" ? [] : dockerfiles), ...(backend === "docker" ? [] : definitions)];
  const [only, ...others] = found;
  if (only !== undefined && others.length === 0) return join(folder, only);
  if (only !== undefined) {
    throw new CbError("usage", `${folder} has several recipes: ${found.slice(0, 5).join(", ")}`, {
      hint: `name one of them: --file ${join(folder, only)} ${folder}`,
    });
  }
  const isImage = names.includes(".singularity.d");
  throw new CbError("usage", `${folder} has no recipe: neither a Dockerfile nor a definition file (NAME.def)`, {
    hint: isImage
      ? `it is the file system of an image: write localimage:${folder}`
      : "name the recipe itself; the order is IMAGE RECIPE",
  });
}

async function namesIn(folder: string): Promise<string[]> {
  try {
    return await readdir(folder);
  } catch (cause) {
    const { kind, hint } = readFailure(cause instanceof Error && "code" in cause ? String(cause.code) : "");
    throw new CbError(kind, `cannot read the folder ${folder}: ${messageOf(cause)}`, { hint, cause });
  }
}
