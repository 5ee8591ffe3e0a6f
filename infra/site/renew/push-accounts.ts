/** Brings the accounts of a site's folder to the running NATS servers, which apply them at once. */
import { readFile } from "node:fs/promises";
import { CbError } from "../../../lib/core/errors.ts";
import { connectNats, type NatsAddress } from "../../../lib/nats/connection.ts";
import { lookUpAccount, pushAccount } from "../../../lib/nats/credentials/account-claims.ts";
import type { Creds } from "../../../lib/nats/credentials/creds.ts";
import { readClaims } from "../../../lib/nats/credentials/jwt.ts";
import {
  revocationsOf,
  type Signing,
  signingKeysOf,
  withRevocations,
  withSigningKeys,
} from "../../../lib/nats/credentials/revocation.ts";
import { writeWholeFile } from "../../../lib/nats/credentials/secret-file.ts";

export interface PushOptions {
  readonly address: NatsAddress;
  /** A credential of SYS. */
  readonly sys: Creds;
  readonly signing: Signing;
}

/**
 * The servers' JWT gets the signing keys and the revocations of the file, and keeps its own revocations; the file gets the same JWT
 * then. Errors as connectNats, lookUpAccount and pushAccount; the same call completes the work.
 */
export async function pushAccounts(jwtFiles: readonly string[], { address, sys, signing }: PushOptions): Promise<void> {
  const nc = await connectNats({ address, credential: sys, name: "cb-admin site" }).catch((error: unknown) => {
    throw withRepeat(error);
  });
  try {
    for (const file of jwtFiles) {
      const own = (await readFile(file, "utf8")).trim();
      const current = await lookUpAccount(nc, readClaims(own).sub);
      const withKeys = withSigningKeys(current, signingKeysOf(own), signing);
      const jwt = withRevocations(withKeys, revocationsOf(own), signing);
      if (jwt !== current) await pushAccount(nc, jwt);
      if (jwt !== own) await writeWholeFile(file, jwt, 0o600);
    }
  } finally {
    await nc.close();
  }
}

function withRepeat(error: unknown): unknown {
  if (!(error instanceof CbError)) return error;
  const hint =
    "the new keys are in the folder, and NATS does not know them yet: run the same command again where NATS answers";
  return new CbError(error.kind, error.message, {
    hint: error.hint === undefined ? hint : `${error.hint}; ${hint}`,
    cause: error,
  });
}
