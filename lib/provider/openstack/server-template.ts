/** What a pool's machines are made of, as its configuration names it and as nova wants it. */
import { CbError } from "../../core/errors.ts";
import type { CloudResource, CloudResources } from "./cloud-resources.ts";
import { firstFew } from "./first-few.ts";

/** Each by name or by id. */
export interface ServerTemplateSettings {
  readonly flavor: string;
  /** Of several active images of that name the newest: so a new one is taken up by being uploaded. */
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

/** Throws CbError "config" naming every setting that names nothing, and what exists instead. */
export async function serverTemplateFor(
  settings: ServerTemplateSettings,
  things: CloudResources,
  signal: AbortSignal,
): Promise<ServerTemplate> {
  const { keyName, securityGroups, availabilityZone, serverGroup } = settings;
  const found = new Found();
  const [flavor] = found.all("flavor", [settings.flavor], await things.flavors(signal));
  const image = await imageFor(settings.image, { things, found, signal });
  const networks = found.all("networks", settings.networks, await things.networks(signal));
  const groups = securityGroups && found.all("securityGroups", securityGroups, await things.securityGroups(signal));
  const [key] = keyName === undefined ? [] : found.all("keyName", [keyName], await things.keys(signal));
  if (availabilityZone !== undefined)
    found.all("availabilityZone", [zoneIn(availabilityZone)], await things.zones(signal));
  const [group] =
    serverGroup === undefined ? [] : found.all("serverGroup", [serverGroup], await things.serverGroups(signal));
  found.throwMistakes();
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

interface Search {
  readonly things: CloudResources;
  readonly found: Found;
  readonly signal: AbortSignal;
}

async function imageFor(wanted: string, { things, found, signal }: Search): Promise<CloudResource | undefined> {
  const [newest] = await things.images(wanted, signal);
  return newest ?? found.all("image", [wanted], await things.allImages(signal))[0];
}

/** An administrator may add a host to the zone's name: "nova:compute-7". */
function zoneIn(availabilityZone: string): string {
  return availabilityZone.replace(/:.*$/, "");
}

/** Finds by id, then by name, and remembers what it did not find. */
class Found {
  readonly #mistakes: string[] = [];

  all(setting: string, wanted: readonly string[], things: readonly CloudResource[]): CloudResource[] {
    return wanted.flatMap((name) => this.#one(setting, name, things) ?? []);
  }

  throwMistakes(): void {
    if (this.#mistakes.length === 0) return;
    throw new CbError("config", `the cloud does not have what is configured\n${this.#mistakes.join("\n")}`);
  }

  #one(setting: string, wanted: string, things: readonly CloudResource[]): CloudResource | undefined {
    const byId = things.find(({ id }) => id === wanted);
    if (byId !== undefined) return byId;
    const [first, second] = things.filter(({ name }) => name === wanted);
    if (first === undefined) {
      const names = things.map(({ name }) => name);
      this.#mistakes.push(`  ${setting}: there is no ${wanted}, there is ${firstFew(wanted, names)}`);
    } else if (second !== undefined) {
      this.#mistakes.push(`  ${setting}: more than one is called ${wanted}, write an id: ${first.id}, ${second.id}`);
    }
    return first;
  }
}
