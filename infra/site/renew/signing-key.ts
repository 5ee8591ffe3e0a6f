/** Replaces the signing key of an account in the site's folder, so that both keys are valid until the renewal is finished. */
import { readFile, rename } from "node:fs/promises";
import { createKey, keyFromSeed, type NKey } from "../../../lib/nats/credentials/nkey.ts";
import { type Signing, signingKeysOf, withSigningKeys } from "../../../lib/nats/credentials/revocation.ts";
import { writeSecretFile, writeWholeFile } from "../../../lib/nats/credentials/secret-file.ts";
import { readIfPresent } from "../site-folder.ts";

export interface AccountKeyFiles {
  readonly jwt: string;
  readonly seed: string;
}

/**
 * The account's JWT gets the new key beside the old one, and the seed file the new key. Does nothing while a renewal is under way. A
 * run that is killed between two writes is completed by the next one: the new seed is in a file of its own first.
 */
export async function addSigningKey({ jwt, seed }: AccountKeyFiles, signing: Signing): Promise<void> {
  const next = `${seed}.next`;
  const account = (await readFile(jwt, "utf8")).trim();
  const begun = await readIfPresent(next);
  if (begun === undefined && signingKeysOf(account).length > 1) return;
  const key = begun === undefined ? createKey("account") : keyFromSeed(begun.trim());
  if (begun === undefined) await writeSecretFile(next, `${key.seed()}\n`);
  const current = await keyIn(seed);
  const changed = withSigningKeys(account, [key.publicKey, current.publicKey], signing);
  if (changed !== account) await writeWholeFile(jwt, changed, 0o600);
  await rename(next, seed);
}

/** The account's JWT accepts the key of the seed file alone. */
export async function dropOtherSigningKeys({ jwt, seed }: AccountKeyFiles, signing: Signing): Promise<void> {
  const account = (await readFile(jwt, "utf8")).trim();
  const changed = withSigningKeys(account, [(await keyIn(seed)).publicKey], signing);
  if (changed !== account) await writeWholeFile(jwt, changed, 0o600);
}

async function keyIn(seed: string): Promise<NKey> {
  return keyFromSeed((await readFile(seed, "utf8")).trim());
}
