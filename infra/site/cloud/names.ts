/** The names and the mark of a site's resources in the cloud. A resource without the mark is left alone. */
import { CbError } from "../../../lib/core/errors.ts";
import type { Host, Site } from "../answers/site-schema.ts";

export type Role = "nats" | "queue";

/** In the description of groups and ports, in the tags of images and servers. At most 55 characters, nova's limit is 60. */
export const markOf = (site: string): string => `${SITE_KEY}=${site}`;

/** Metadata of a host's server. The values are what the next run compares with the answers. */
export const SITE_KEY = "container-builder-site";
export const ROLE_KEY = "container-builder-role";
export const IMAGE_KEY = "container-builder-image";
export const FLAVOR_KEY = "container-builder-flavor";
export const CONFIG_KEY = "container-builder-config";
/** A property of an image: the SHA-256 of its file. */
export const DIGEST_KEY = "container_builder_sha256";

export const groupName = (site: string, role: Role | "builders"): string => `${site}-${role}`;

/** The name of a host's server and of its port. */
export const resourceName = (site: string, { name }: Host): string => `${site}-${name}`;

/** Each version has a name of its own, so that a running queue keeps the image that its configuration names. */
export const imageName = (site: string, kind: "host" | "builder", version: string): string =>
  `${site}-${kind}-${version}`;

export type CloudAnswers = NonNullable<Site["cloud"]>;

/** Throws CbError "usage" for a site without machines in a cloud. */
export function cloudOf(site: Site): CloudAnswers {
  if (site.cloud !== undefined) return site.cloud;
  throw new CbError("usage", `site.yaml of ${site.name} has no section "cloud"`, {
    hint: "describe the cloud there (docs/operations.md), or install the hosts by install.txt",
  });
}
