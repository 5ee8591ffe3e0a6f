/** The directory where relative paths of a call start. */
import { resolve } from "node:path";
import { CbError, messageOf } from "../../core/errors.ts";

/** Absolute. Throws CbError "usage" when the directory was deleted or cannot be reached. */
export function workingDirectory(): string {
  try {
    return process.cwd();
  } catch (cause) {
    throw new CbError("usage", `the working directory cannot be read: ${messageOf(cause)}`, {
      hint: 'it may have been deleted: change to an existing directory, also when its name is the same (cd "$PWD")',
      cause,
    });
  }
}

/** As resolve() of node:path, which needs the working directory for a relative path only. Throws as workingDirectory(). */
export const absolute = (path: string): string =>
  path.startsWith("/") ? resolve(path) : resolve(workingDirectory(), path);
