/** Examines everything that a build needs on this machine, from the settings to the place of the image. Changes nothing. */
import { type ClientConfig, clientConfig } from "../../config/client-config.ts";
import type { ClientConfigPlaces } from "../../config/client-sources.ts";
import { serversOf } from "../../nats/connection.ts";
import { addressOf } from "../session.ts";
import { type Check, failed, hasFailed, ok, skipped } from "./check.ts";
import { checkCredential } from "./check-credential.ts";
import { checkFolder } from "./check-folder.ts";
import { AFTER_LOGIN, checkQueue } from "./check-queue.ts";
import { checkServer, checksOf } from "./check-server.ts";

const SETTINGS = "see container-builder config";

export interface DoctorOptions {
  readonly places: ClientConfigPlaces;
  /** Where images would be stored. */
  readonly folder: string;
}

/** Yields each check as soon as its result is known. Takes at most half a minute. */
export async function* examine({ places, folder }: DoctorOptions): AsyncGenerator<Check> {
  yield* examineQueue(places);
  yield await checkFolder(folder);
}

const LATER = ["credential", "permissions", "DNS", "TCP", "TLS", "login", ...AFTER_LOGIN];

async function* examineQueue(places: ClientConfigPlaces): AsyncGenerator<Check> {
  let config: ClientConfig;
  let servers: URL[];
  try {
    config = clientConfig(places);
    servers = serversOf(config.url);
  } catch (error) {
    yield failed("settings", error, SETTINGS);
    yield* LATER.map(skipped);
    return;
  }
  yield ok("settings", `${config.url} (${config.urlFrom})`);
  const { checks, creds } = await checkCredential(config.creds, config.account, Date.now());
  yield* checks;
  const address = addressOf(config);
  const found = checksOf(await Promise.all(servers.map((server) => checkServer(server, address))));
  yield* found;
  if (creds === undefined || hasFailed(found)) yield* ["login", ...AFTER_LOGIN].map(skipped);
  else yield* checkQueue(address, creds, config.sealingKey);
}
