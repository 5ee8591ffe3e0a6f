/** The pool of the builders that the section `cloud` of site.yaml describes. */
import type { Site } from "../answers/site-schema.ts";
import { groupName, imageName } from "../cloud/names.ts";

/** The name of the pool in `cb-status`. */
const POOL = "cloud";

/** Names the image by its version: a running queue creates builders of one version until it gets another configuration. */
export function cloudPool({ name, cloud }: Site): Site["pools"] {
  if (cloud?.builders === undefined) return [];
  const { image, flavor, reserve, max, pool, networks = [cloud.network] } = cloud.builders;
  const provider = {
    kind: "openstack",
    ...(cloud.cloud === undefined ? {} : { cloud: cloud.cloud }),
    ...(cloud.region === undefined ? {} : { region: cloud.region }),
    flavor,
    image: imageName(name, "builder", image.version),
    networks,
    securityGroups: [groupName(name, "builders")],
  };
  return [{ name: POOL, arch: "x86_64", ...pool, reserve, max, provider }];
}
