/** What a pool's machines are made of, as its configuration names it and as nova wants it. */
import { CbError } from "../../errors.ts";
import { firstFew } from "./nearest.ts";
import type { Thing, Things } from "./things.ts";

/** Each by name or by id. */
export interface ShapeSettings {
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
export interface Shape {
  readonly server: object;
  readonly hints?: object;
}

/** Throws CbError "config" naming the setting, and what exists instead of what it names. */
export async function shapeFor(settings: ShapeSettings, things: Things, signal: AbortSignal): Promise<Shape> {
  const { keyName, securityGroups, availabilityZone, serverGroup } = settings;
  const flavor = one("flavor", settings.flavor, await things.flavors(signal));
  const image = await imageFor(settings.image, things, signal);
  const networks = several("networks", settings.networks, await things.networks(signal));
  const groups = securityGroups && several("securityGroups", securityGroups, await things.securityGroups(signal));
  const key = keyName === undefined ? undefined : one("keyName", keyName, await things.keys(signal));
  // An administrator may add a host to the zone's name: "nova:compute-7".
  const zone = availabilityZone?.split(":", 1)[0];
  if (zone !== undefined) one("availabilityZone", zone, await things.zones(signal));
  const group =
    serverGroup === undefined ? undefined : one("serverGroup", serverGroup, await things.serverGroups(signal));
  return {
    server: {
      flavorRef: flavor.id,
      imageRef: image.id,
      networks: networks.map(({ id }) => ({ uuid: id })),
      ...(key && { key_name: key.name }),
      ...(groups && { security_groups: groups.map(({ id }) => ({ name: id })) }),
      ...(availabilityZone !== undefined && { availability_zone: availabilityZone }),
    },
    ...(group && { hints: { group: group.id } }),
  };
}

async function imageFor(wanted: string, things: Things, signal: AbortSignal): Promise<Thing> {
  const [newest] = await things.images(wanted, signal);
  return newest ?? one("image", wanted, await things.allImages(signal));
}

function several(setting: string, wanted: readonly string[], things: readonly Thing[]): Thing[] {
  return wanted.map((name) => one(setting, name, things));
}

function one(setting: string, wanted: string, things: readonly Thing[]): Thing {
  const byId = things.find(({ id }) => id === wanted);
  if (byId !== undefined) return byId;
  const [first, second] = things.filter(({ name }) => name === wanted);
  if (first === undefined) {
    const hint = `there is ${firstFew(
      wanted,
      things.map(({ name }) => name),
    )}`;
    throw new CbError("config", `${setting}: there is no ${wanted} on the cloud`, { hint });
  }
  if (second === undefined) return first;
  const hint = `write an id: ${first.id}, ${second.id}`;
  throw new CbError("config", `${setting}: there is more than one ${wanted} on the cloud`, { hint });
}
