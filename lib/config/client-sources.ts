/**
 * The places that hold settings of the user's programs, in order of precedence (docs/first-image.md has the same order for users):
 * NATS_URL, NATS_CREDS, NATS_CA, NATS_SERVERNAME and QUEUE_HOST; the context of the nats CLI that NATS_CONTEXT names; the user's
 * config.yaml; the site's config.yaml; this user's running local stack.
 */
import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import * as v from "valibot";
import { natsContext } from "./nats-context.ts";
import { readYamlFile } from "./yaml-file.ts";

/** `dockerfiles`: also definition files without a script. */
const REUSE_DEFAULTS = ["dockerfiles", "all", "none"] as const;

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
  /** Which recipes take an earlier build with the same inputs, unless the call says otherwise (docs/administration.md). */
  reuseBuilds: v.optional(v.picklist(REUSE_DEFAULTS, "must be dockerfiles, all or none")),
});
export type ReuseDefault = (typeof REUSE_DEFAULTS)[number];
type Settings = Partial<v.InferOutput<typeof fileSchema>>;
export type SettingName = keyof Settings;

export interface ClientConfigPlaces {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Folders that may hold `config.yaml`, in order of precedence: the user's, then the site's. */
  readonly folders: readonly string[];
  /** The folder of the nats CLI, with its contexts. */
  readonly natsFolder: string;
  /** As `folders`, for the local stack. It is read only if no other source has a `url`. */
  readonly localFolder: string;
}

export interface Source {
  readonly kind: "variable" | "context" | "file" | "stack";
  /** For messages: a path, or the name of a variable. */
  readonly name: string;
  readonly settings: Settings;
}

/** The port that nats-server listens on by default, for a QUEUE_HOST without a port. */
const NATS_PORT = 4222;

/** The sources that exist, in order of precedence. Throws CbError "config" when a file cannot be read or has a mistake. */
export function clientSources(places: ClientConfigPlaces): Source[] {
  const configured = [...sourcesIn(places)];
  // The local stack's CA and server name would be wrong for the queue of a site. Without such a queue they fill the gaps.
  if (configured.some(({ settings }) => settings.url !== undefined)) return configured;
  return [...configured, ...fileIn(places.localFolder, "stack")];
}

const VARIABLES = { NATS_URL: "url", NATS_CREDS: "creds", NATS_CA: "ca", NATS_SERVERNAME: "servername" } as const;

function* sourcesIn({ env, folders, natsFolder }: ClientConfigPlaces): Generator<Source> {
  for (const [name, setting] of Object.entries(VARIABLES)) {
    const value = env[name];
    if (value) yield { kind: "variable", name, settings: { [setting]: value } };
  }
  if (env.QUEUE_HOST) yield { kind: "variable", name: "QUEUE_HOST", settings: { url: urlOfHost(env.QUEUE_HOST) } };
  if (env.NATS_CONTEXT) {
    const { path, settings } = natsContext(env.NATS_CONTEXT, natsFolder);
    yield { kind: "context", name: path, settings };
  }
  for (const folder of folders) yield* fileIn(folder, "file");
}

function* fileIn(folder: string, kind: "file" | "stack"): Generator<Source> {
  const path = join(folder, "config.yaml");
  if (!existsSync(path)) return;
  const { ca, ...settings } = readYamlFile(path, fileSchema);
  yield { kind, name: path, settings: { ...settings, ...(ca === undefined ? {} : { ca: resolve(folder, ca) }) } };
}

const urlOfHost = (host: string): string => `tls://${/:\d+$/.test(host) ? host : `${host}:${NATS_PORT}`}`;
