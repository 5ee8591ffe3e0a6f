/** All files of a site, as a function of its answers and its keys. Equal input gives equal bytes. */
import { queueHosts, type Site } from "../answers/site-schema.ts";
import { copiesFiles } from "./copies-files.ts";
import { natsFiles } from "./nats-files.ts";
import { clientFiles, operatorFiles } from "./people-files.ts";
import { queueFiles } from "./queue-files.ts";
import type { SiteFile } from "./site-file.ts";
import type { SiteKeys } from "./site-keys.ts";

export function allFiles(site: Site, keys: SiteKeys): SiteFile[] {
  return [
    ...site.nats.hosts.flatMap((host) => natsFiles(site, keys, host)),
    ...copiesFiles(site),
    ...queueHosts(site).flatMap((host) => queueFiles(site, keys, host)),
    ...site.operators.flatMap((operator) => operatorFiles(site, keys, operator)),
    ...clientFiles(site, keys),
  ];
}
