/** Files that are written atomically: a reader gets the old text or the new one, and a crash leaves no partial file. */
import { randomUUID } from "node:crypto";
import { open, rename, rm } from "node:fs/promises";

/** A file that only its owner may read. Errors as writeWholeFile. */
export function writeSecretFile(path: string, text: string): Promise<void> {
  return writeWholeFile(path, text, 0o600);
}

/**
 * Writes `text` to `path` with exactly this mode under any umask: writes and syncs a temporary file `PATH.UUID.tmp`, then renames it.
 * Rejects with node's error (ENOENT, EACCES, ENOSPC, …).
 */
export async function writeWholeFile(path: string, text: string, mode: number): Promise<void> {
  const temporary = `${path}.${randomUUID()}.tmp`;
  try {
    const file = await open(temporary, "wx", 0o600);
    try {
      await file.chmod(mode);
      await file.writeFile(text);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}
