/** A site on the testbed, set up as in docs/openstack.md: the shipped programs, and NATS on the bridge of the machines. */
import { mkdir, writeFile } from "node:fs/promises";
import { stringify } from "yaml";
import type { Installation } from "../../../infra/nats/installation.ts";
import { makeInstallation } from "../../../infra/nats/make-installation.ts";
import { type RunningServer, startNatsServer } from "../../../infra/nats/server.ts";
import { Issuer, readKeyFile } from "../../../lib/nats/credentials/issuer.ts";
import { writeSecretFile } from "../../../lib/nats/credentials/secret-file.ts";
import { type Running, Stack } from "../stack.ts";
import type { OpenStackApi } from "./openstack-api.ts";

/** The host's address on the network "lab", to which the machines are attached. */
const HOST_ON_BRIDGE = "10.77.0.1";
const SERVER_NAME = "nats.site.example";
const CLOUD = "site";

export interface SitePool {
  readonly flavor: string;
  readonly image: string;
  readonly reserve: number;
  readonly max: number;
  readonly bootTimeoutSeconds: number;
}

export class CloudSite {
  /** Runs the shipped programs with the settings of this site's user and operator. */
  readonly stack = Stack.unstarted();
  #nats: RunningServer | undefined;

  /** Starts NATS and writes the settings of all programs. Does not start cb-queue. */
  static async start(demo: OpenStackApi, pool: SitePool): Promise<CloudSite> {
    const site = new CloudSite();
    try {
      await site.#prepare(demo, pool);
      return site;
    } catch (error) {
      await site.stop();
      throw error;
    }
  }

  async #prepare(demo: OpenStackApi, pool: SitePool): Promise<void> {
    const folder = this.stack.path("installation");
    const keys = { folder, name: "site", serverName: SERVER_NAME, nowMs: Date.now() };
    const installation = await makeInstallation(keys);
    this.#nats = await startNatsServer({ installation, dataDir: this.stack.path("nats"), host: HOST_ON_BRIDGE });
    await this.#writeClouds(demo);
    await this.#writeQueue(installation, this.#nats.url, pool);
    await this.#writeClients(installation, this.#nats.url);
  }

  /** Starts cb-queue. Does not wait until it is ready. */
  startQueue(): Running {
    const env = { OS_CLIENT_CONFIG_FILE: this.stack.path("clouds.yaml") };
    return this.stack.start("cb-queue", ["--config", this.stack.path("queue.yaml")], { env });
  }

  async stop(): Promise<void> {
    await this.#nats?.stop();
    // Removes the folders only, because no local stack was started.
    await this.stack.stop();
  }

  /** With an application credential, which can be revoked without changing the user's password. */
  async #writeClouds(demo: OpenStackApi): Promise<void> {
    const { id, secret } = await demo.createApplicationCredential("container-builder");
    const login = { application_credential_id: id, application_credential_secret: secret };
    const auth = { auth_url: "http://127.0.0.1:5000/v3", ...login };
    const entry = { auth_type: "v3applicationcredential", auth, region_name: "RegionOne" };
    await writeSecretFile(this.stack.path("clouds.yaml"), stringify({ clouds: { [CLOUD]: entry } }));
  }

  async #writeQueue(installation: Installation, url: string, { flavor, image, ...pool }: SitePool): Promise<void> {
    const { name, guest, files } = installation;
    const nats = { url, servername: SERVER_NAME, ca: files.caFile };
    const provider = { kind: "openstack", cloud: CLOUD, flavor, image, networks: ["lab"] };
    const config = {
      installation: name,
      nats: { ...nats, creds: files.queueCreds },
      issuer: { account: guest, signingKey: files.guestSigningSeed },
      pools: [{ name: "cloud", arch: "x86_64", ...pool, nats, provider }],
      // JetStream reserves the maximum size of each stream, and the test machine has a smaller disk than a site.
      limits: { logMiB: 64, imageMiB: 1024 },
    };
    await writeFile(this.stack.path("queue.yaml"), stringify(config), { mode: 0o600 });
  }

  async #writeClients({ guest, files }: Installation, url: string): Promise<void> {
    const folder = this.stack.path("config", "container-builder");
    await mkdir(folder, { recursive: true, mode: 0o700 });
    const signingKey = await readKeyFile(files.guestSigningSeed);
    const user = new Issuer({ guestAccount: guest, signingKey, nowMs: Date.now }).userCreds("alice");
    const creds = `${folder}/alice.creds`;
    await writeSecretFile(creds, user.creds);
    const nats = { url, servername: SERVER_NAME, ca: files.caFile };
    await writeSecretFile(`${folder}/config.yaml`, stringify({ ...nats, creds, account: guest }));
    await writeSecretFile(`${folder}/admin.yaml`, stringify({ ...nats, creds: files.operatorCreds }));
  }
}
