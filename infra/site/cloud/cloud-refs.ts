/** Resolves the names in the section `cloud` of site.yaml to the ids that nova and neutron require. */
import type { CloudResources } from "../../../lib/provider/openstack/api/cloud-resources.ts";
import { ResourceFinder } from "../../../lib/provider/openstack/resource-finder.ts";
import type { CloudAnswers } from "./names.ts";

export interface CloudRefs {
  readonly networkId: string;
  readonly flavorId: string;
  readonly keyName?: string;
  readonly availabilityZone?: string;
}

/** Throws CbError "config" with every name that does not exist, and similar ones that do. */
export async function cloudRefs(
  { network, hosts, builders, keyName, availabilityZone }: CloudAnswers,
  resources: CloudResources,
  signal: AbortSignal,
): Promise<CloudRefs> {
  const finder = new ResourceFinder();
  const flavors = await resources.flavors(signal);
  const networks = await resources.networks(signal);
  const [flavor] = finder.all("cloud.hosts.flavor", [hosts.flavor], flavors);
  const [found] = finder.all("cloud.network", [network], networks);
  if (builders !== undefined) {
    finder.all("cloud.builders.flavor", [builders.flavor], flavors);
    finder.all("cloud.builders.networks", builders.networks ?? [], networks);
  }
  const [key] = keyName === undefined ? [] : finder.all("cloud.keyName", [keyName], await resources.keys(signal));
  if (availabilityZone !== undefined) {
    finder.all("cloud.availabilityZone", [availabilityZone], await resources.zones(signal));
  }
  finder.throwMistakes();
  return {
    networkId: found?.id ?? "",
    flavorId: flavor?.id ?? "",
    ...(key === undefined ? {} : { keyName: key.name }),
    ...(availabilityZone === undefined ? {} : { availabilityZone }),
  };
}
