/** Files that only their owner may read, written atomically. */
import { randomUUID } from "node:crypto";
import { open, rename, rm } from "node:fs/promises";

/**
 * Writes `text` to `path` with mode 0600: writes and syncs a temporary file in the same folder, then renames it. So a reader gets
 * the old text or the new one, and a crash leaves no partial file at `path`. Rejects with node's error (ENOENT, EACCES, …).
 */
export async function writeSecretFile(path: string, text: string): Promise<void> {
  const temporary = `${path}.${randomUUID()}.tmp`;
  try {
    const file = await open(temporary, "wx", 0o600);
    try {
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
