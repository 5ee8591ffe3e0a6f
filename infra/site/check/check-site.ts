/** `cb-admin site check`: lifetimes and faults of a site's folder. Changes nothing. */
import { readFile } from "node:fs/promises";
import { relative } from "node:path";
import { CbError } from "../../../lib/core/errors.ts";
import { endsSoon } from "../../../lib/queue/watch/expiry.ts";
import { openInstallation } from "../../nats/installation.ts";
import { parseSite } from "../answers/read-site.ts";
import { siteFiles } from "../keys/open-keys.ts";
import { readIfPresent, siteFolder } from "../site-folder.ts";
import { checkCertificates } from "./check-certificates.ts";
import { type Connection, checkConnections } from "./check-connections.ts";
import { checkCredentials } from "./check-credentials.ts";
import { checkHostFiles, checkOperators, checkSecrets } from "./check-files.ts";
import { type Fault, type Findings, joined, type Lifetime } from "./fault.ts";

const DAY_MS = 24 * 3_600_000;

export interface SiteReport {
  readonly folder: string;
  readonly nowMs: number;
  readonly lifetimes: readonly Lifetime[];
  readonly faults: readonly Fault[];
  /** True: the offline keys are in the folder. */
  readonly hasOffline: boolean;
  /** The hosts of NATS, if connections were asked for. None: the keys in the folder have a fault, so no connection was tried. */
  readonly connections?: readonly Connection[];
}

interface CheckOptions {
  /** Also connect to the hosts of NATS. */
  readonly connect?: boolean | undefined;
}

/** Throws CbError "usage" when there is no site, and "config" for mistakes in site.yaml and a missing file of the installation. */
export async function checkSite(root: string, nowMs: number, { connect }: CheckOptions = {}): Promise<SiteReport> {
  const folder = siteFolder(root);
  const text = await readIfPresent(folder.yaml);
  if (text === undefined) {
    throw new CbError("usage", `there is no site in ${root}: it has no site.yaml`, {
      hint: "make one: cb-admin site init --help",
    });
  }
  const site = parseSite(text, folder.yaml);
  const installation = await openInstallation(folder.installation);
  if (installation === undefined) {
    throw new CbError("config", `the keys in ${folder.installation} are missing or incomplete`, {
      hint: `a run of init may have ended early: cb-admin site init ${root}`,
    });
  }
  const files = siteFiles(folder);
  const certificates = await checkCertificates(site, folder, files);
  const credentials = await checkCredentials(site, folder, installation, files);
  const other = [...(await checkOperators(site, folder)), ...(await checkSecrets(folder))];
  const keys = joined([certificates, credentials, { faults: other, lifetimes: [] }]);
  // With such a fault the right files of the hosts are not known.
  const isSound = keys.faults.length === 0;
  const hosts = isSound ? await checkHostFiles(site, folder, nowMs) : [];
  const none = { connections: [], faults: [] };
  const tried = connect && isSound ? await checkConnections(site, folder, files) : none;
  const hasOffline = (await readFile(`${folder.offline}/operator.seed`).catch(() => undefined)) !== undefined;
  const found = joined([keys, { faults: [...hosts, ...tried.faults], lifetimes: [] }]);
  const made = report(root, nowMs, { ...found, hasOffline });
  return connect ? { ...made, connections: tried.connections } : made;
}

function report(folder: string, nowMs: number, found: Findings & { hasOffline: boolean }): SiteReport {
  const named = <Item extends { readonly path: string }>(item: Item): Item => ({
    ...item,
    path: pathIn(folder, item.path),
  });
  const lifetimes = found.lifetimes
    .map(named)
    .sort((one, other) => (one.endsAtMs ?? Number.POSITIVE_INFINITY) - (other.endsAtMs ?? Number.POSITIVE_INFINITY));
  const ending = lifetimes.flatMap((lifetime) => endFault(lifetime, folder, nowMs));
  return { folder, nowMs, lifetimes, faults: [...found.faults.map(named), ...ending], hasOffline: found.hasOffline };
}

function endFault({ path, endsAtMs }: Lifetime, folder: string, nowMs: number): Fault[] {
  if (endsAtMs === undefined || !endsSoon(endsAtMs, nowMs)) return [];
  const days = daysLeft(endsAtMs, nowMs);
  const text = days < 0 ? `ended ${-days} days ago` : `ends in ${days} days`;
  return [{ path, text, remedy: `cb-admin site renew ${folder} --certificates` }];
}

/** Negative after the end. */
export const daysLeft = (endsAtMs: number, nowMs: number): number => Math.floor((endsAtMs - nowMs) / DAY_MS);

function pathIn(folder: string, path: string): string {
  const inside = relative(folder, path);
  return path.startsWith("/") && !inside.startsWith("..") ? inside || "." : path;
}
