/** Resolves the names in a pool's configuration to the ids that nova requires in a create call. */
import type { CloudResource, CloudResources } from "./api/cloud-resources.ts";
import { ResourceFinder } from "./resource-finder.ts";

/** Each value is a name or an id. */
export interface ServerTemplateSettings {
  readonly flavor: string;
  /** Of several active images with this name the newest is used, so that uploading a new image is enough to deploy it. */
  readonly image: string;
  readonly networks: readonly string[];
  readonly keyName?: string | undefined;
  readonly securityGroups?: readonly string[] | undefined;
  readonly availabilityZone?: string | undefined;
  readonly serverGroup?: string | undefined;
}

/** The parts of nova's POST /servers that are the same for all machines of a pool. */
export interface ServerTemplate {
  readonly server: object;
  readonly hints?: object;
}

/** Throws CbError "config" listing every setting that names no existing resource, with similar names that exist. */
export async function serverTemplateFor(
  settings: ServerTemplateSettings,
  resources: CloudResources,
  signal: AbortSignal,
): Promise<ServerTemplate> {
  const { keyName, securityGroups, availabilityZone, serverGroup } = settings;
  const finder = new ResourceFinder();
  const [flavor] = finder.all("flavor", [settings.flavor], await resources.flavors(signal));
  const image = await imageFor(settings.image, { resources, finder, signal });
  const networks = finder.all("networks", settings.networks, await resources.networks(signal));
  const groups = securityGroups && finder.all("securityGroups", securityGroups, await resources.securityGroups(signal));
  const [key] = keyName === undefined ? [] : finder.all("keyName", [keyName], await resources.keys(signal));
  if (availabilityZone !== undefined) {
    finder.all("availabilityZone", [zoneIn(availabilityZone)], await resources.zones(signal));
  }
  const [group] =
    serverGroup === undefined ? [] : finder.all("serverGroup", [serverGroup], await resources.serverGroups(signal));
  finder.throwMistakes();
  return {
    server: {
      flavorRef: flavor?.id,
      imageRef: image?.id,
      networks: networks.map(({ id }) => ({ uuid: id })),
      ...(key && { key_name: key.name }),
      ...(groups && { security_groups: groups.map(({ id }) => ({ name: id })) }),
      ...(availabilityZone !== undefined && { availability_zone: availabilityZone }),
    },
    ...(group && { hints: { group: group.id } }),
  };
}

interface ImageSearch {
  readonly resources: CloudResources;
  readonly finder: ResourceFinder;
  readonly signal: AbortSignal;
}

async function imageFor(
  nameOrId: string,
  { resources, finder, signal }: ImageSearch,
): Promise<CloudResource | undefined> {
  const [newest] = await resources.images(nameOrId, signal);
  return newest ?? finder.all("image", [nameOrId], await resources.newestImages(signal))[0];
}

/** An administrator may append a host to the zone's name: "nova:compute-7". */
function zoneIn(availabilityZone: string): string {
  return availabilityZone.replace(/:.*$/, "");
}
