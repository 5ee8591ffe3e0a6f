/** Settings of cb-admin: the NATS address, the operator's credential, and the files that a revocation signs with. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import * as v from "valibot";
import { CbError } from "../core/errors.ts";
import { readCaFile } from "./ca-file.ts";
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
  /** Needed only for a backup: the credential that takes snapshots, in the account CORE. */
  backupCreds: v.optional(path),
  /** Needed only for a restore, which writes every record: the queue's own credential. */
  restoreCreds: v.optional(path),
  /**
   * Needed only for a revocation. The files are not read before that, because the operator key belongs on a medium that is
   * locked away.
   */
  account: v.optional(
    v.strictObject({
      /** File with the JWT of GUEST that the servers preload; a revocation rewrites it. */
      jwt: path,
      /** File with the seed of the NATS operator. */
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
  readonly backupCreds?: string;
  readonly restoreCreds?: string;
  readonly account?: AccountFiles;
  /** The file that the settings were read from, for messages. */
  readonly from: string;
}

const FILE_NAME = "admin.yaml";
/** The queue's own folder. /etc/xdg holds the settings of all users of the machine, and these are for operators only. */
const SITE_FOLDER = "/etc/container-builder";

/**
 * Reads `configFile`; if it is undefined, the first file that exists: the operator's own, the site's, that of a running local
 * stack. Files are not merged. Throws CbError "config" when there is no file, or with every mistake in it.
 */
export function adminConfig(
  configFile: string | undefined,
  { config, local }: Pick<Folders, "config" | "local">,
): AdminConfig {
  const candidates = [config, SITE_FOLDER, local].map((folder) => join(folder, FILE_NAME));
  const from = configFile ?? candidates.find((path) => existsSync(path));
  if (from === undefined) {
    throw new CbError("config", "there are no operator settings", {
      hint: `write ${candidates[0]} or ${candidates[1]}, or name a file with --config; or start a local stack with: cb-local up`,
    });
  }
  const { url, servername, ca, creds, backupCreds, restoreCreds, account } = readYamlFile(from, schema);
  return {
    ...{ url, creds, from },
    ...(servername === undefined ? {} : { servername }),
    ...(ca === undefined ? {} : { ca: readCaFile(ca, from) }),
    ...(backupCreds === undefined ? {} : { backupCreds }),
    ...(restoreCreds === undefined ? {} : { restoreCreds }),
    ...(account === undefined ? {} : { account }),
  };
}
