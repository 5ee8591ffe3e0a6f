/**
 * Finds the description of a cloud in the places and the order of OpenStack's own clients (openstacksdk, "Configuring OpenStack
 * SDK Applications"): one clouds.yaml, with an optional secure.yaml for its secrets, or else the OS_* variables.
 */
import { existsSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import * as v from "valibot";
import { readYamlFile } from "../../../config/yaml-file.ts";
import { CbError } from "../../../core/errors.ts";
import { similarNames } from "../similar-names.ts";
import { type Cloud, cloudOf } from "./cloud.ts";
import { type CloudSettings, cloudSettings } from "./cloud-settings.ts";

/** The folder of a queue host's configuration, beside the places of OpenStack's own clients. */
const SITE_FOLDER = "/etc/container-builder";

type Environment = Readonly<Record<string, string | undefined>>;

export interface CloudChoice {
  /** The entry of clouds.yaml. Default: OS_CLOUD, then the OS_* variables, then the only entry. */
  readonly cloud?: string | undefined;
  /** In place of the entry's own region. */
  readonly region?: string | undefined;
}

/** Only the chosen entry is checked against the schema: a mistake in another entry does not matter. */
const cloudsFile = v.object({ clouds: v.optional(v.record(v.string(), v.looseObject({})), {}) });
type Entries = v.InferOutput<typeof cloudsFile>["clouds"];

/** Throws CbError "config" naming the file or variable, the setting, and the existing clouds. */
export function findCloud({ cloud, region }: CloudChoice, env: Environment = process.env): Cloud {
  const path = firstOf("clouds.yaml", env.OS_CLIENT_CONFIG_FILE, env);
  const entries = path === undefined ? {} : readYamlFile(path, cloudsFile).clouds;
  const name = cloud ?? (env.OS_CLOUD || undefined) ?? onlyEntry(entries, env);
  if (name === undefined) return cloudOf(withRegion(fromEnvironment(env), region), "the OS_* variables");
  if (path === undefined) {
    const hint = places(env);
    throw new CbError("config", `the cloud ${name} is not described: there is no clouds.yaml`, { hint });
  }
  const entry = entries[name];
  if (entry === undefined) {
    const hint = `it has ${similarNames(name, Object.keys(entries))}`;
    throw new CbError("config", `there is no cloud ${name} in ${path}`, { hint });
  }
  const from = `the cloud ${name} in ${path}`;
  return cloudOf(withRegion(validated(merged(entry, secretsOf(name, env)), from), region), from);
}

function onlyEntry(entries: Entries, env: Environment): string | undefined {
  const names = Object.keys(entries);
  if (env.OS_AUTH_URL) return undefined;
  if (names.length === 1) return names[0];
  if (names.length === 0) throw new CbError("config", "no OpenStack cloud is described", { hint: places(env) });
  throw new CbError("config", `clouds.yaml has ${names.length} clouds, and none of them is chosen`, {
    hint: `set "cloud" in the pool's provider, or OS_CLOUD: ${similarNames("", names)}`,
  });
}

function withRegion(settings: CloudSettings, region: string | undefined): CloudSettings {
  return region === undefined ? settings : { ...settings, region_name: region };
}

function places(env: Environment): string {
  const files = pathsOf("clouds.yaml", env.OS_CLIENT_CONFIG_FILE, env);
  return `write one of ${files.join(", ")}, or set OS_AUTH_URL and the other OS_* variables`;
}

function firstOf(name: string, named: string | undefined, env: Environment): string | undefined {
  if (named && !existsSync(named)) {
    throw new CbError("config", `there is no file ${named}, which the environment sets as ${name}`);
  }
  return pathsOf(name, named, env).find((path) => existsSync(path));
}

function pathsOf(name: string, named: string | undefined, env: Environment): string[] {
  const config = env.XDG_CONFIG_HOME || join(env.HOME || homedir(), ".config");
  const folders = [process.cwd(), join(config, "openstack"), SITE_FOLDER, "/etc/openstack"];
  return [...(named ? [named] : []), ...folders.map((folder) => join(folder, name))];
}

function secretsOf(cloud: string, env: Environment): object {
  const path = firstOf("secure.yaml", env.OS_CLIENT_SECURE_FILE, env);
  return path === undefined ? {} : (readYamlFile(path, cloudsFile).clouds[cloud] ?? {});
}

/** Merges mappings key by key. Where both have a value, that of `over` is used. */
function merged(base: object, over: object): Record<string, unknown> {
  const result: Record<string, unknown> = { ...base };
  for (const [key, value] of Object.entries(over)) {
    const old = result[key];
    result[key] = isMapping(old) && isMapping(value) ? merged(old, value) : value;
  }
  return result;
}

const isMapping = (value: unknown): value is object =>
  typeof value === "object" && value !== null && !Array.isArray(value);

function validated(entry: unknown, from: string): CloudSettings {
  const result = v.safeParse(cloudSettings, entry);
  if (result.success) return result.output;
  const mistakes = result.issues.map((issue) => `${v.getDotPath(issue) ?? "the entry"} ${issue.message}`);
  throw new CbError("config", `${from}: ${mistakes.join("; ")}`);
}

/** The keys of `auth` are the names of the variables in lower case, without OS_. */
function fromEnvironment(env: Environment): CloudSettings {
  const set = (name: string): string | undefined => env[name] || undefined;
  const pairs = Object.entries(env).flatMap(([name, value]) =>
    name.startsWith("OS_") && value ? [[name.slice(3).toLowerCase(), value] as const] : [],
  );
  const auth: Record<string, string> = Object.fromEntries(pairs);
  const insecure = /^(1|true|yes)$/i.test(env.OS_INSECURE ?? "");
  return validated(
    {
      auth: { ...auth, default_domain: set("OS_DEFAULT_DOMAIN") ?? set("OS_DEFAULT_DOMAIN_ID") },
      auth_type: set("OS_AUTH_TYPE"),
      region_name: set("OS_REGION_NAME"),
      interface: set("OS_INTERFACE") ?? set("OS_ENDPOINT_TYPE"),
      cacert: set("OS_CACERT"),
      verify: !insecure,
      identity_api_version: set("OS_IDENTITY_API_VERSION"),
    },
    "the OS_* variables",
  );
}
