/** The file of the key that users seal their secrets to, and of earlier ones while it is renewed. */
import { readFile } from "node:fs/promises";
import { CbError, messageOf } from "../../core/errors.ts";
import { parseSealingKeys, type SealingKey } from "../../core/sealed-box.ts";

/** The newest first. Throws CbError "config" when it is missing, unreadable or has no X25519 key. */
export async function readSealingKeys(path: string): Promise<[SealingKey, ...SealingKey[]]> {
  try {
    return parseSealingKeys(await readFile(path, "utf8"));
  } catch (cause) {
    throw new CbError("config", `cannot read the sealing key ${path}: ${messageOf(cause)}`, {
      hint: "it is created with the installation's keys and readable only by the user that runs the queue",
      cause,
    });
  }
}
