/** Finds a program in PATH, as a shell does, and in the system's sbin folders, which Debian leaves out of a user's PATH. */
import { accessSync, constants, statSync } from "node:fs";
import { delimiter, isAbsolute, join } from "node:path";

const SYSTEM_FOLDERS = ["/usr/local/sbin", "/usr/sbin", "/sbin", "/usr/bin", "/bin"];

/** Returns the path of each executable `name`, in the order of `path` and then of the system's folders. */
export function findPrograms(name: string, path: string = process.env.PATH ?? ""): string[] {
  const listed = path.split(delimiter).filter(isAbsolute);
  return [...new Set([...listed, ...SYSTEM_FOLDERS])].map((folder) => join(folder, name)).filter(isExecutable);
}

export function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}
