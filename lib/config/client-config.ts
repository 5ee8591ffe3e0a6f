/**
 * Settings of the user's programs: the NATS address and the credential. Each setting is taken from the first source that has it
 * (client-sources.ts). The source of each is kept for error messages.
 */
import { join } from "node:path";
import { CbError } from "../core/errors.ts";
import { readCaFile } from "./ca-file.ts";
import { type ClientConfigPlaces, clientSources, type SettingName, type Source } from "./client-sources.ts";
import { folders } from "./folders.ts";

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

interface FoundSetting {
  readonly value: string;
  readonly from: Pick<Source, "kind" | "name">;
}
export type FoundSettings = Readonly<Partial<Record<SettingName, FoundSetting>>>;

/** The places of this process. */
export function ownPlaces(): ClientConfigPlaces {
  const { config, siteConfig, nats, local } = folders();
  return { env: process.env, folders: [config, ...siteConfig], natsFolder: nats, localFolder: local };
}

/** Throws CbError "config" when a file of settings cannot be read or has a mistake. */
export function findSettings(places: ClientConfigPlaces): FoundSettings {
  const sources = clientSources(places);
  const find = (setting: SettingName): FoundSettings => {
    for (const { settings, kind, name } of sources) {
      const value = settings[setting];
      if (value !== undefined) return { [setting]: { value, from: { kind, name } } };
    }
    return {};
  };
  // Another installation has another account and another key for secrets.
  const withUrl = sources.find(({ settings }) => settings.url !== undefined);
  const ofInstallation = (setting: "account" | "sealingKey"): FoundSettings => {
    const value = withUrl?.settings[setting];
    return withUrl === undefined || value === undefined
      ? {}
      : { [setting]: { value, from: { kind: withUrl.kind, name: withUrl.name } } };
  };
  return {
    ...find("url"),
    ...find("creds"),
    ...find("ca"),
    ...find("servername"),
    ...find("reuseBuilds"),
    ...ofInstallation("account"),
    ...ofInstallation("sealingKey"),
  };
}

/** Throws CbError "config" when `url` or `creds` is not set, or when a file cannot be read. */
export function clientConfig(places: ClientConfigPlaces): ClientConfig {
  const { url, creds, servername, ca, account, sealingKey } = findSettings(places);
  if (url === undefined) throw unset("no queue is configured", "NATS_URL", "url", places.folders);
  if (creds === undefined) throw unset("no credential is configured", "NATS_CREDS", "creds", places.folders);
  return {
    url: url.value,
    urlFrom: url.from.name,
    creds: creds.value,
    ...(servername === undefined ? {} : { servername: servername.value }),
    ...(account === undefined ? {} : { account: account.value }),
    ...(sealingKey === undefined ? {} : { sealingKey: sealingKey.value }),
    ...(ca === undefined ? {} : { ca: readCaFile(ca.value, ca.from.name) }),
  };
}

function unset(message: string, variable: string, key: string, folders: readonly string[]): CbError {
  const file = join(folders[0] ?? "", "config.yaml");
  return new CbError("config", message, {
    hint: `set ${variable}, or "${key}" in ${file}; or start a local stack with: cb-local up`,
  });
}
