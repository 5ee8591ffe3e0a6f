/** The catalog of a cloud's services, which Keystone sends with each token, and the address of a service in it. */
import * as v from "valibot";
import { CbError } from "../../../core/errors.ts";
import { similarNames } from "../similar-names.ts";
import type { Cloud } from "./cloud.ts";

const endpoint = v.object({
  interface: v.string(),
  region_id: v.nullish(v.string()),
  region: v.nullish(v.string()),
  url: v.string(),
});
type Endpoint = v.InferOutput<typeof endpoint>;

export const catalogSchema = v.array(v.object({ type: v.string(), endpoints: v.array(endpoint) }));
export type Catalog = Readonly<v.InferOutput<typeof catalogSchema>>;

/** The types of the services that are used. */
export type ServiceType = "compute" | "network" | "image";

/**
 * The address of the service in the cloud's region and interface, without a slash at the end. Throws CbError "config" naming the
 * region or the interface, and the existing ones.
 */
export function endpointOf(catalog: Catalog, service: ServiceType, cloud: Cloud): string {
  const all = catalog.filter(({ type }) => type === service).flatMap(({ endpoints }) => endpoints);
  if (all.length === 0) {
    throw new CbError("config", `${cloud.from}: the catalog has no service of the type ${service}`);
  }
  const region = regionOf(all, cloud);
  const inRegion = all.filter((candidate) => nameOfRegion(candidate) === region);
  const found = inRegion.find((candidate) => candidate.interface.replace(/URL$/, "") === cloud.interface);
  if (found === undefined) {
    const hint = `set "interface" to one of ${similarNames(
      cloud.interface,
      inRegion.map((candidate) => candidate.interface),
    )}`;
    throw new CbError("config", `${cloud.from}: the service ${service} has no ${cloud.interface} interface`, { hint });
  }
  return found.url.replace(/\/+$/, "");
}

function regionOf(endpoints: readonly Endpoint[], { from, region }: Cloud): string {
  const regions = [...new Set(endpoints.map(nameOfRegion))];
  const hint = `existing regions: ${similarNames(region ?? "", regions)}`;
  if (region === undefined) {
    if (regions.length === 1) return regions[0] ?? "";
    throw new CbError("config", `${from}: region_name is missing, and the cloud has ${regions.length} regions`, {
      hint,
    });
  }
  if (regions.includes(region)) return region;
  throw new CbError("config", `${from}: there is no region ${region}`, { hint });
}

const nameOfRegion = ({ region_id, region }: Endpoint): string => region_id ?? region ?? "";
