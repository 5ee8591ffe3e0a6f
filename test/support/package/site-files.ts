/** The files of /etc/container-builder on a host with NATS and the queue, with an OpenStack cloud that does not answer. */
import { chmod, copyFile, mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { stringify } from "yaml";
import type { Installation } from "../../../infra/nats/installation.ts";
import { serverConfig } from "../../../infra/nats/server-config.ts";

const ETC = "/etc/container-builder";
const URL_OF_NATS = "tls://127.0.0.1:4222";

/** Writes the files into `folder`, which the host has as /etc/container-builder. */
export async function writeSiteFiles(installation: Installation, folder: string): Promise<void> {
  const { files } = installation;
  await mkdir(join(folder, "tls"), { recursive: true });
  await writeFile(join(folder, "nats-server.conf"), await natsConfig(installation));
  const copies = [
    [files.caFile, "tls/ca.crt"],
    [files.certFile, "tls/server.crt"],
    [files.keyFile, "tls/server.key"],
    [files.queueCreds, "queue.creds"],
    [files.guestSigningSeed, "guest-signing.seed"],
  ] as const;
  for (const [from, to] of copies) await copyFile(from, join(folder, to));
  await chmod(join(folder, "tls/ca.crt"), 0o644);
  await writeFile(join(folder, "queue.yaml"), queueYaml(installation));
}

async function natsConfig({ files, ...installation }: Installation): Promise<string> {
  const jwt = async (path: string) => (await readFile(path, "utf8")).trim();
  const text = serverConfig({
    serverName: installation.name,
    host: "127.0.0.1",
    port: 4222,
    dataDir: "/var/lib/cb-nats",
    operatorJwt: await jwt(files.operatorJwt),
    accounts: [
      { id: installation.sys, jwt: await jwt(files.sysJwt) },
      { id: installation.core, jwt: await jwt(files.coreJwt) },
      { id: installation.guest, jwt: await jwt(files.guestJwt) },
    ],
    certFile: `${ETC}/tls/server.crt`,
    keyFile: `${ETC}/tls/server.key`,
    maxFileBytes: 1024 ** 3,
    pingIntervalMs: 1000,
    tags: [],
    hasSyncInterval: true,
  });
  // Without a file the server logs to standard error, so to the journal.
  return text.replace(/^log_?file.*\n/gm, "");
}

/** A queue's configuration with one pool. */
function queueYaml(installation: Installation): string {
  const address = { url: URL_OF_NATS, servername: installation.serverName, ca: `${ETC}/tls/ca.crt` };
  const provider = { kind: "openstack", flavor: "small", image: "builder", networks: ["builders"] };
  return stringify({
    installation: installation.name,
    nats: { ...address, creds: `${ETC}/queue.creds` },
    issuer: { account: installation.guest, signingKey: `${ETC}/guest-signing.seed` },
    pools: [{ name: "cloud", reserve: 0, max: 1, nats: address, provider }],
  });
}

/** The environment of that queue: nothing listens on the port. */
export const CLOUD_ENV = {
  OS_AUTH_URL: "http://127.0.0.1:9/v3",
  OS_USERNAME: "builder",
  OS_PASSWORD: "none",
  OS_PROJECT_NAME: "builders",
  OS_USER_DOMAIN_NAME: "Default",
  OS_PROJECT_DOMAIN_NAME: "Default",
} as const;
