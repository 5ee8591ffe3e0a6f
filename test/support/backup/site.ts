/** An installation with its settings for cb-admin, and servers with empty or kept stores, for tests of backups. */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { connect, type NatsConnection } from "nats";
import { stringify } from "yaml";
import type { Installation } from "../../../infra/nats/installation.ts";
import { makeInstallation } from "../../../infra/nats/make-installation.ts";
import { type RunningServer, startNatsServer } from "../../../infra/nats/server.ts";
import { authenticator } from "../../../lib/nats/credentials/authenticator.ts";
import { readCreds } from "../../../lib/nats/credentials/creds.ts";
import { Issuer, readKeyFile } from "../../../lib/nats/credentials/issuer.ts";
import type { JetStreamAccess } from "../../../lib/nats/jetstream/api.ts";
import { inboxPrefix } from "../../../lib/protocol/subjects.ts";
import { type Finished, type Running, Stack } from "../stack.ts";

export class BackupSite {
  readonly installation: Installation;
  readonly stack: Stack;
  #server: RunningServer | undefined;
  #connections: NatsConnection[] = [];
  #stores = 0;
  #settings: Record<string, unknown> = {};

  static async make(): Promise<BackupSite> {
    const stack = Stack.unstarted();
    const folder = stack.path("installation");
    const options = { folder, name: "test", serverName: "nats.test", nowMs: Date.now() };
    return new BackupSite(await makeInstallation(options), stack);
  }

  private constructor(installation: Installation, stack: Stack) {
    this.installation = installation;
    this.stack = stack;
  }

  /** Ends the server that runs, and starts one with an empty store. */
  async startEmpty(natsServerPath?: string): Promise<void> {
    await this.endServer();
    const { installation } = this;
    const dataDir = this.stack.path(`store-${++this.#stores}`);
    const program = natsServerPath === undefined ? {} : { natsServerPath };
    this.#server = await startNatsServer({ installation, dataDir, ...program });
    this.configure({});
  }

  /** Writes admin.yaml, with these keys changed; undefined removes one. */
  configure(changes: Record<string, unknown>): void {
    const { files, serverName } = this.installation;
    const account = { jwt: files.guestJwt, operatorKey: files.operatorSeed, sysCreds: files.sysCreds };
    const creds = { creds: files.operatorCreds, backupCreds: files.backupCreds, restoreCreds: files.queueCreds };
    this.#settings = { url: this.url, servername: serverName, ca: files.caFile, ...creds, account, ...changes };
    mkdirSync(this.stack.path("config", "container-builder"), { recursive: true });
    const text = stringify(JSON.parse(JSON.stringify(this.#settings)));
    writeFileSync(this.stack.path("config", "container-builder", "admin.yaml"), text);
  }

  get url(): string {
    return this.#server?.url ?? "";
  }

  admin(...args: string[]): Promise<Finished> {
    return this.stack.run("cb-admin", args);
  }

  start(...args: string[]): Running {
    return this.stack.start("cb-admin", args);
  }

  /** In CORE, with one of the installation's credentials. */
  async connect(credsFile: string): Promise<JetStreamAccess> {
    const { jwt, key } = await readCreds(credsFile, Date.now());
    const nc = await this.#open(jwt, key);
    return { nc, apiPrefix: "$JS.API", inboxPrefix: inboxPrefix(key.publicKey) };
  }

  async core(): Promise<NatsConnection> {
    return (await this.connect(this.installation.files.queueCreds)).nc;
  }

  async issuer(): Promise<Issuer> {
    const signingKey = await readKeyFile(this.installation.files.guestSigningSeed);
    return new Issuer({ guestAccount: this.installation.guest, signingKey, nowMs: Date.now });
  }

  async #open(jwt: string, key: Parameters<typeof authenticator>[1]): Promise<NatsConnection> {
    const { files, serverName } = this.installation;
    const tls = { ca: readFileSync(files.caFile, "utf8"), servername: serverName };
    const own = { authenticator: authenticator(jwt, key), inboxPrefix: inboxPrefix(key.publicKey) };
    const nc = await connect({ servers: this.url, tls, ...own });
    this.#connections.push(nc);
    return nc;
  }

  async endServer(): Promise<void> {
    await Promise.all(this.#connections.splice(0).map((nc) => nc.close()));
    await this.#server?.stop();
    this.#server = undefined;
  }

  async stop(): Promise<void> {
    await this.endServer();
    await this.stack.stop();
  }
}
