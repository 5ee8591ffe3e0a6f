/**
 * Gives the hosts with the address `auto` a port each, and writes the ports' addresses into site.yaml. A network of another project
 * lets neutron alone choose addresses; certificates and the clients' settings need them before a server exists.
 */
import { readFile } from "node:fs/promises";
import { CbError } from "../../../lib/core/errors.ts";
import { writeSecretFile } from "../../../lib/nats/credentials/secret-file.ts";
import { autoHosts, type Site } from "../answers/site-schema.ts";
import { withAddresses } from "../answers/site-yaml.ts";
import type { SiteFolder } from "../site-folder.ts";
import { cloudRefs } from "./cloud-refs.ts";
import { cloudOf, markOf, resourceName } from "./names.ts";
import type { SiteCloud } from "./site-cloud.ts";

export interface Reservation {
  readonly site: Site;
  readonly folder: SiteFolder;
  readonly cloud: SiteCloud;
  readonly signal: AbortSignal;
}

/**
 * Resolves with the addresses by host; site.yaml has them then. A run that was killed leaves ports, which the next one finds. Throws
 * CbError "config" for a port of another owner, and as the calls do.
 */
export async function reserveAddresses({ site, folder, cloud, signal }: Reservation): Promise<Map<string, string>> {
  const addresses = new Map<string, string>();
  const hosts = autoHosts(site);
  if (hosts.length === 0) return addresses;
  const { networkId } = await cloudRefs(cloudOf(site), cloud.resources, signal);
  const description = markOf(site.name);
  for (const host of hosts) {
    const name = resourceName(site.name, host);
    // Without a group nothing comes in; the plan adds the host's group.
    const isMissing = !(await cloud.ports.list(signal)).some((port) => port.name === name);
    if (isMissing) await cloud.ports.create({ name, description, networkId, groupIds: [] }, signal);
    const port = (await cloud.ports.list(signal)).find((one) => one.name === name);
    const [address] = port?.fixed_ips ?? [];
    if (port?.description !== description || address === undefined) {
      throw new CbError("config", `the port ${name} (${port?.id}) is not of this site, or has no address`, {
        hint: "rename or delete it",
      });
    }
    addresses.set(host.name, address.ip_address);
  }
  await writeSecretFile(folder.yaml, withAddresses(await readFile(folder.yaml, "utf8"), addresses));
  return addresses;
}
