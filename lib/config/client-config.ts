/**
 * Settings of the user's programs: the NATS address and the credential. The sources in order of precedence are the command line;
 * NATS_URL, NATS_CREDS, NATS_CA, NATS_SERVERNAME and QUEUE_HOST; the user's config.yaml; the site's config.yaml; this user's running
 * local stack. Each setting is taken from the first source that has it. The source of the address is kept for error messages.
 */
import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import * as v from "valibot";
import { CbError } from "../core/errors.ts";
import { readCaFile } from "./ca-file.ts";
import { readYamlFile } from "./yaml-file.ts";

/** The keys of config.yaml. */
const fileSchema = v.strictObject({
  url: v.optional(v.string()),
  creds: v.optional(v.string()),
  servername: v.optional(v.string()),
  /** In a file: a relative path begins in the folder of that file, so that both may be moved together. */
  ca: v.optional(v.string()),
  /** Public key of the installation's account GUEST. With it, a credential of another installation is recognised. */
  account: v.optional(v.string()),
  /** Public key of the installation, which secrets are sealed to. Without it the client requests it from the queue. */
  sealingKey: v.optional(v.pipe(v.string(), v.regex(/^[A-Za-z0-9_-]{43}$/, "must be 43 characters of base64url"))),
});
type Settings = Partial<v.InferOutput<typeof fileSchema>>;

export interface ClientConfig {
  readonly url: string;
  /** Path of the user's credential file. */
  readonly creds: string;
  readonly servername?: string;
  /** The CA as PEM. */
  readonly ca?: string;
  /** The account that the credential must belong to. Present only if the source of `url` names it. */
  readonly account?: string;
  /** Present only if the source of `url` names it. */
  readonly sealingKey?: string;
  /** The source of `url`, for error messages. */
  readonly urlFrom: string;
}

export interface ClientConfigSources {
  readonly flags: Settings;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Folders that may hold `config.yaml`, in order of precedence: the user's, then the site's. */
  readonly folders: readonly string[];
  /** The same for the local stack. It is read only if no other source has a `url`. */
  readonly localFolder: string;
}

/** The port that nats-server listens on by default, for a QUEUE_HOST without a port. */
const NATS_PORT = 4222;

/** Throws CbError "config" when `url` or `creds` is not set, or when a file cannot be read. */
export function clientConfig(sources: ClientConfigSources): ClientConfig {
  const configured = [...sourcesOf(sources)];
  const urlConfigured = configured.some(({ settings }) => settings.url !== undefined);
  // The local stack's CA and server name would be wrong for the queue of a site. Without such a queue they fill the gaps.
  const all = urlConfigured ? configured : [...configured, ...fileIn(sources.localFolder)];
  const find = (key: keyof Settings) => all.find(({ settings }) => settings[key] !== undefined);
  const url = find("url");
  const creds = find("creds");
  if (url?.settings.url === undefined) throw unset("no queue is configured", "NATS_URL", "url", sources.folders);
  if (creds?.settings.creds === undefined)
    throw unset("no credential is configured", "NATS_CREDS", "creds", sources.folders);
  const { account, sealingKey } = url.settings;
  const servername = find("servername")?.settings.servername;
  const ca = find("ca");
  return {
    url: url.settings.url,
    urlFrom: url.name,
    creds: creds.settings.creds,
    ...(servername === undefined ? {} : { servername }),
    ...(account === undefined ? {} : { account }),
    ...(sealingKey === undefined ? {} : { sealingKey }),
    ...(ca?.settings.ca === undefined ? {} : { ca: readCaFile(ca.settings.ca, ca.name) }),
  };
}

interface Source {
  /** For messages: a path, or the name of a variable. */
  readonly name: string;
  readonly settings: Settings;
}

function* sourcesOf({ flags, env, folders }: ClientConfigSources): Generator<Source> {
  yield { name: "the command line", settings: flags };
  yield { name: "NATS_URL", settings: env.NATS_URL ? { url: env.NATS_URL } : {} };
  yield { name: "NATS_CREDS", settings: env.NATS_CREDS ? { creds: env.NATS_CREDS } : {} };
  yield { name: "NATS_CA", settings: env.NATS_CA ? { ca: env.NATS_CA } : {} };
  yield { name: "NATS_SERVERNAME", settings: env.NATS_SERVERNAME ? { servername: env.NATS_SERVERNAME } : {} };
  yield { name: "QUEUE_HOST", settings: env.QUEUE_HOST ? { url: urlOfHost(env.QUEUE_HOST) } : {} };
  for (const folder of folders) yield* fileIn(folder);
}

function* fileIn(folder: string): Generator<Source> {
  const path = join(folder, "config.yaml");
  if (!existsSync(path)) return;
  const { ca, ...settings } = readYamlFile(path, fileSchema);
  yield { name: path, settings: { ...settings, ...(ca === undefined ? {} : { ca: resolve(folder, ca) }) } };
}

const urlOfHost = (host: string): string => `tls://${/:\d+$/.test(host) ? host : `${host}:${NATS_PORT}`}`;

function unset(message: string, variable: string, key: string, folders: readonly string[]): CbError {
  const file = join(folders[0] ?? "", "config.yaml");
  return new CbError("config", message, {
    hint: `set ${variable}, or "${key}" in ${file}; or start a local stack with: cb-local up`,
  });
}
