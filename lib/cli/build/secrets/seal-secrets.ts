/** Seals the secrets of a build for its reservation. */
import { CbError } from "../../../core/errors.ts";
import { erase, type SealedBox, seal } from "../../../core/sealed-box.ts";
import { status } from "../../../protocol/requests.ts";
import { type BuildSecrets, forQueue } from "../../../protocol/secret-messages.ts";
import type { Session } from "../../session.ts";

/**
 * Seals to the key in the settings. Without one it is requested from the queue: then it is as trustworthy as the connection to NATS.
 * Throws CbError "config" when the queue takes no secrets, and as Session.request().
 */
export async function sealSecrets(session: Session, requestId: string, secrets: BuildSecrets): Promise<SealedBox> {
  const key = session.sealingKey ?? (await session.request(status, { v: 1 })).sealingKey;
  if (key === undefined) {
    throw new CbError("config", "the queue takes no secrets and no logins for registries", {
      hint: "build without them, or ask the operators to add a key: issuer.sealingKey in the queue's configuration",
    });
  }
  const plain = Buffer.from(JSON.stringify(secrets));
  try {
    return seal(plain, key, forQueue(session.user, requestId));
  } finally {
    erase(plain);
  }
}
