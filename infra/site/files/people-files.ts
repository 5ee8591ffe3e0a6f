/** The files of operators and of users: settings, the CA, and an operator's credential. */
import { stringify } from "yaml";
import type { Site } from "../answers/site-schema.ts";
import { natsUrl } from "./queue-files.ts";
import { ETC, OWN_SECRET, PUBLIC, ROOT_GROUP, type SiteFile } from "./site-file.ts";
import type { SiteKeys } from "./site-keys.ts";

/** For one operator's machine. The offline keys are in none of them. */
export function operatorFiles(site: Site, keys: SiteKeys, operator: string): SiteFile[] {
  const file = (name: string, text: string, mode: number): SiteFile => ({
    path: `operator/${operator}/${name}`,
    holder: `operator ${operator}`,
    target: `${ETC}/${name}`,
    group: ROOT_GROUP,
    mode,
    text,
  });
  const settings = {
    url: natsUrl(site),
    servername: site.serverName,
    ca: `${ETC}/ca.crt`,
    creds: `${ETC}/operator.creds`,
    backupCreds: `${ETC}/backup.creds`,
    account: {
      jwt: `${ETC}/guest.jwt`,
      operatorKey: `${site.offline}/operator.seed`,
      sysCreds: `${site.offline}/sys.creds`,
    },
  };
  return [
    file("admin.yaml", stringify(settings, { lineWidth: 0 }), PUBLIC),
    file("ca.crt", keys.ca, PUBLIC),
    file("guest.jwt", `${keys.guestJwt}\n`, PUBLIC),
    file("operator.creds", keys.operators.get(operator) ?? "", OWN_SECRET),
    file("backup.creds", keys.backupCreds, OWN_SECRET),
  ];
}

/** For every login node. There is no secret in them. */
export function clientFiles(site: Site, keys: SiteKeys): SiteFile[] {
  const { folder } = site.client;
  // Relative to config.yaml: the packages of clients hold both files in a folder of their version.
  const settings = {
    url: natsUrl(site),
    servername: site.serverName,
    ca: "ca.crt",
    account: keys.guest,
    sealingKey: keys.sealingKey,
  };
  const file = (name: string, text: string): SiteFile => ({
    path: `client${folder}/${name}`,
    holder: "clients",
    target: `${folder}/${name}`,
    group: ROOT_GROUP,
    mode: PUBLIC,
    text,
  });
  return [file("config.yaml", stringify(settings, { lineWidth: 0 })), file("ca.crt", keys.ca)];
}
