/** Checks JWTs, credentials and seeds of a site: signatures, signers and lifetimes. */
import { join } from "node:path";
import { messageOf } from "../../../lib/core/errors.ts";
import { parseCreds } from "../../../lib/nats/credentials/creds.ts";
import { type Claims, hasValidSignature, readClaims } from "../../../lib/nats/credentials/jwt.ts";
import { keyFromSeed } from "../../../lib/nats/credentials/nkey.ts";
import { signingKeysOf } from "../../../lib/nats/credentials/revocation.ts";
import type { Files, Installation } from "../../nats/installation.ts";
import type { Site } from "../answers/site-schema.ts";
import { readIfPresent, type SiteFolder } from "../site-folder.ts";
import { type Findings, joined } from "./fault.ts";

export async function checkCredentials(
  site: Site,
  folder: SiteFolder,
  installation: Installation,
  files: Files,
): Promise<Findings> {
  const { operator, sys, core, guest } = installation;
  const restore = "restore it from a copy of the folder";
  const init = `cb-admin site init ${folder.root}`;
  const renew = `cb-admin site renew ${folder.root} --queue-key`;
  const coreKeys = await keysIn(files.coreJwt);
  const guestKeys = await keysIn(files.guestJwt);
  const jwt = (path: string, sub: string) => checkJwt({ path, signers: [operator], sub, remedy: restore });
  const creds = (path: string, signers: readonly string[], remedy: string) =>
    checkJwt({ path, signers, remedy, read: (text) => parseCreds(text, path).jwt });
  const operators = site.operators.map((name) => creds(join(folder.operators, `${name}.creds`), coreKeys, init));
  return joined(
    await Promise.all([
      jwt(files.operatorJwt, operator),
      jwt(files.sysJwt, sys),
      jwt(files.coreJwt, core),
      jwt(files.guestJwt, guest),
      creds(files.sysCreds, [sys], restore),
      creds(files.queueCreds, coreKeys, renew),
      creds(files.backupCreds, coreKeys, init),
      ...operators,
      checkSeed(files.coreSigningSeed, coreKeys, restore),
      checkSeed(files.guestSigningSeed, guestKeys, restore),
    ]),
  );
}

interface Signed {
  readonly path: string;
  /** Public keys that may have signed it. */
  readonly signers: readonly string[];
  /** The key that it must be for. */
  readonly sub?: string;
  readonly remedy: string;
  /** The JWT in the file. */
  readonly read?: (text: string) => string;
}

async function checkJwt({ path, signers, sub, remedy, read = (text) => text.trim() }: Signed): Promise<Findings> {
  const text = await readIfPresent(path);
  if (text === undefined) return { faults: [{ path, text: "is missing", remedy }], lifetimes: [] };
  const { faults, claims } = examine(text, { signers, read, ...(sub === undefined ? {} : { sub }) });
  const endsAtMs = claims?.exp === undefined ? {} : { endsAtMs: claims.exp * 1000 };
  return {
    faults: faults.map((fault) => ({ path, text: fault, remedy })),
    lifetimes: claims === undefined ? [] : [{ path, ...endsAtMs }],
  };
}

function examine(
  text: string,
  { signers, sub, read }: Pick<Signed, "signers" | "sub"> & { read: (text: string) => string },
) {
  try {
    const jwt = read(text);
    const claims: Claims = readClaims(jwt);
    return {
      claims,
      faults: [
        ...(hasValidSignature(jwt) ? [] : ["has a wrong signature: it was changed"]),
        ...(signers.includes(claims.iss) ? [] : [`is signed by the key ${claims.iss}, which is not of this site`]),
        ...(sub === undefined || claims.sub === sub ? [] : [`is for the key ${claims.sub}, not ${sub}`]),
      ],
    };
  } catch (error) {
    return { claims: undefined, faults: [`cannot be read: ${messageOf(error)}`] };
  }
}

async function checkSeed(path: string, keys: readonly string[], remedy: string): Promise<Findings> {
  const fault = (text: string) => ({ faults: [{ path, text, remedy }], lifetimes: [] });
  try {
    const { publicKey } = keyFromSeed(((await readIfPresent(path)) ?? "").trim());
    return keys.includes(publicKey) ? joined([]) : fault("is not a signing key of its account");
  } catch (error) {
    return fault(`cannot be read: ${messageOf(error)}`);
  }
}

/** Empty when the JWT cannot be read, which checkJwt() reports. */
async function keysIn(path: string): Promise<readonly string[]> {
  try {
    return signingKeysOf(((await readIfPresent(path)) ?? "").trim());
  } catch {
    return [];
  }
}
