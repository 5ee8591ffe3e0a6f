/** Finds docker-registry. */
import { access, constants } from "node:fs/promises";
import { delimiter, join } from "node:path";
import { CbError } from "../../core/errors.ts";

/** The path of the program: `named`, or the first in PATH. Throws CbError "config" when it is missing or not executable. */
export async function requireProgram(named: string | undefined): Promise<string> {
  const folders = (process.env.PATH ?? "").split(delimiter).filter((folder) => folder.startsWith("/"));
  for (const path of named === undefined ? folders.map((folder) => join(folder, "docker-registry")) : [named]) {
    const isThere = await access(path, constants.X_OK).then(
      () => true,
      () => false,
    );
    if (isThere) return path;
  }
  throw new CbError("config", `cannot run ${named ?? "docker-registry"}: it is missing or not executable`, {
    hint: 'install docker-registry (on Debian: apt-get install docker-registry), or name it as "program" in the configuration',
  });
}
