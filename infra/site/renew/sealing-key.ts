/**
 * Renews the key that users seal their secrets to. Until the renewal ends, the file has the new key and after it the old one: the queue
 * publishes the first, and opens the secrets of users with older settings with the second.
 */
import { readFile } from "node:fs/promises";
import { createSealingKey, parseSealingKeys, type SealingKey, sealingKeyPem } from "../../../lib/core/sealed-box.ts";
import { writeWholeFile } from "../../../lib/nats/credentials/secret-file.ts";

/** Does nothing while a renewal is under way. */
export async function addSealingKey(path: string): Promise<void> {
  const keys = parseSealingKeys(await readFile(path, "utf8"));
  if (keys.length === 1) await write(path, [createSealingKey(), ...keys]);
}

export async function dropOldSealingKeys(path: string): Promise<void> {
  const [current, ...older] = parseSealingKeys(await readFile(path, "utf8"));
  if (older.length > 0) await write(path, [current]);
}

const write = (path: string, keys: readonly SealingKey[]): Promise<void> =>
  writeWholeFile(path, keys.map(sealingKeyPem).join(""), 0o600);
