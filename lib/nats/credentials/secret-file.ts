/** Files that only their owner may read, written whole or not at all. */
import { randomUUID } from "node:crypto";
import { open, rename, rm } from "node:fs/promises";

/**
 * Writes `text` to `path` with mode 0600: into a new file beside it, to the disk, and then in its place, so that a
 * reader sees the old text or the new and a crash leaves no half a key. Rejects with node's error (ENOENT, EACCES, …).
 */
export async function writeSecretFile(path: string, text: string): Promise<void> {
  const beside = `${path}.${randomUUID()}.tmp`;
  try {
    const file = await open(beside, "wx", 0o600);
    try {
      await file.writeFile(text);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(beside, path);
  } catch (error) {
    await rm(beside, { force: true });
    throw error;
  }
}
