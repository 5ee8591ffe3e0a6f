/**
 * Where a client finds the queue and its credential: flags, then NATS_URL, NATS_CREDS and QUEUE_HOST, then the user's
 * config.yaml, then the site's, then a local stack of this user that is up. Each setting is taken from the first place
 * that has it, and is remembered with that place, so that an error can say where a wrong value came from.
 */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import * as v from "valibot";
import { CbError, messageOf } from "../core/errors.ts";
import { readYamlFile } from "./yaml-file.ts";

/** The keys of config.yaml. */
const fileSchema = v.strictObject({
  url: v.optional(v.string()),
  creds: v.optional(v.string()),
  servername: v.optional(v.string()),
  ca: v.optional(v.string()),
  /** The public key of the installation's users' account: with it a credential of another installation is recognised. */
  account: v.optional(v.string()),
});
type Settings = Partial<v.InferOutput<typeof fileSchema>>;

export interface ClientConfig {
  readonly url: string;
  /** The file with the user's credential. */
  readonly creds: string;
  readonly servername?: string;
  /** The CA as PEM. */
  readonly ca?: string;
  /** The account that a credential must be in; only where it stands beside the url. */
  readonly account?: string;
  /** For error messages: where the url was configured. */
  readonly urlFrom: string;
}

export interface ClientConfigSources {
  readonly flags: Settings;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Folders that may hold `config.yaml`, nearest first: the user's, then the site's. */
  readonly folders: readonly string[];
  /** The same of the local stack: asked last, and only when no queue is configured elsewhere. */
  readonly localFolder: string;
}

/** NATS's own port, for a QUEUE_HOST without one. */
const NATS_PORT = 4222;

/** Throws CbError "config" when something needed is set nowhere, or a file named cannot be read. */
export function clientConfig(sources: ClientConfigSources): ClientConfig {
  const configured = [...placesOf(sources)];
  const named = configured.some((place) => place.settings.url !== undefined);
  // With a site's queue the local stack's CA and name would be wrong; without one it fills in what is not set.
  const places = named ? configured : [...configured, ...fileIn(sources.localFolder)];
  const find = (key: keyof Settings) => places.find((place) => place.settings[key] !== undefined);
  const url = find("url");
  const creds = find("creds");
  if (url?.settings.url === undefined) throw unset("no queue is configured", "NATS_URL", "url", sources.folders);
  if (creds?.settings.creds === undefined)
    throw unset("no credential is configured", "NATS_CREDS", "creds", sources.folders);
  const { account } = url.settings;
  const servername = find("servername")?.settings.servername;
  const ca = find("ca");
  return {
    url: url.settings.url,
    urlFrom: url.name,
    creds: creds.settings.creds,
    ...(servername === undefined ? {} : { servername }),
    ...(account === undefined ? {} : { account }),
    ...(ca?.settings.ca === undefined ? {} : { ca: readCa(ca.settings.ca, ca.name) }),
  };
}

interface Place {
  readonly name: string;
  readonly settings: Settings;
}

function* placesOf({ flags, env, folders }: ClientConfigSources): Generator<Place> {
  yield { name: "the command line", settings: flags };
  yield { name: "NATS_URL", settings: env.NATS_URL ? { url: env.NATS_URL } : {} };
  yield { name: "NATS_CREDS", settings: env.NATS_CREDS ? { creds: env.NATS_CREDS } : {} };
  yield { name: "QUEUE_HOST", settings: env.QUEUE_HOST ? { url: urlOfHost(env.QUEUE_HOST) } : {} };
  for (const folder of folders) yield* fileIn(folder);
}

function* fileIn(folder: string): Generator<Place> {
  const path = join(folder, "config.yaml");
  if (existsSync(path)) yield { name: path, settings: readYamlFile(path, fileSchema) };
}

const urlOfHost = (host: string): string => `tls://${/:\d+$/.test(host) ? host : `${host}:${NATS_PORT}`}`;

function unset(message: string, variable: string, key: string, folders: readonly string[]): CbError {
  const file = join(folders[0] ?? "", "config.yaml");
  return new CbError("config", message, {
    hint: `set ${variable}, or "${key}" in ${file}; on this machine alone, start a stack with: cb-local up`,
  });
}

function readCa(path: string, from: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (cause) {
    throw new CbError("config", `cannot read the CA ${path} named in ${from}: ${messageOf(cause)}`, { cause });
  }
}
