/** What an operator's cb-admin needs: where NATS is, the operator's credential, and what signs the account of the guests. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import * as v from "valibot";
import { CbError, messageOf } from "../core/errors.ts";
import type { Folders } from "./folders.ts";
import { readYamlFile } from "./yaml-file.ts";

const path = v.pipe(v.string(), v.startsWith("/", "must be an absolute path"));

const schema = v.strictObject({
  url: v.string(),
  servername: v.optional(v.string()),
  /** File with the CA that signed the servers' certificates. */
  ca: v.optional(path),
  /** The operator's credential, in the account CORE. */
  creds: path,
  /** What a revocation takes. The files need to be there only then: the operator key belongs on a medium that is locked away. */
  account: v.optional(
    v.strictObject({
      /** File with the JWT of GUEST as the servers preload it; a revocation writes it anew. */
      jwt: path,
      /** File with the seed of the operator. */
      operatorKey: path,
      /** The credential in the account SYS. */
      sysCreds: path,
    }),
  ),
});

export type AccountFiles = NonNullable<v.InferOutput<typeof schema>["account"]>;

export interface AdminConfig {
  readonly url: string;
  readonly servername?: string;
  /** The CA as PEM. */
  readonly ca?: string;
  readonly creds: string;
  readonly account?: AccountFiles;
  /** The file that all of this was read from, for messages. */
  readonly from: string;
}

const NAME = "admin.yaml";
/** Beside the queue's own: not where all users of the machine find their settings. */
const SITE = "/etc/container-builder";

/**
 * The file named, else the first there is: the operator's own, the site's, that of a local stack that is up. Nothing is
 * merged. Throws CbError "config" when there is none, or with all that is wrong in it.
 */
export function adminConfig(named: string | undefined, { config, local }: Folders): AdminConfig {
  const places = [config, SITE, local].map((folder) => join(folder, NAME));
  const from = named ?? places.find((place) => existsSync(place));
  if (from === undefined) {
    throw new CbError("config", "no settings for an operator are there", {
      hint: `write ${places[0]} or ${places[1]}, or name a file with --config; on this machine alone: cb-local up`,
    });
  }
  const { url, servername, ca, creds, account } = readYamlFile(from, schema);
  return {
    ...{ url, creds, from },
    ...(servername === undefined ? {} : { servername }),
    ...(ca === undefined ? {} : { ca: readCa(ca, from) }),
    ...(account === undefined ? {} : { account }),
  };
}

function readCa(file: string, from: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (cause) {
    throw new CbError("config", `cannot read the CA ${file} named in ${from}: ${messageOf(cause)}`, { cause });
  }
}
