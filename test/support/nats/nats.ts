/** A real nats-server in a temporary folder with its own keys, and a connection for each kind of credential. */
import { rmSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ConnectionOptions, NatsConnection } from "nats";
import type { Installation } from "../../../infra/nats/installation.ts";
import { makeInstallation } from "../../../infra/nats/make-installation.ts";
import { type RunningServer, type StartOptions, startNatsServer } from "../../../infra/nats/server.ts";
import { authenticator } from "../../../lib/nats/credentials/authenticator.ts";
import { type Creds, parseCreds, readCreds } from "../../../lib/nats/credentials/creds.ts";
import { Issuer, readKeyFile } from "../../../lib/nats/credentials/issuer.ts";
import { createKey, type NKey } from "../../../lib/nats/credentials/nkey.ts";
import { connectWhole } from "../../../lib/nats/transport.ts";
import type { BuildRole } from "../../../lib/protocol/permissions.ts";
import { inboxPrefix } from "../../../lib/protocol/subjects.ts";

const HOUR_MS = 3_600_000;

export interface Guest {
  readonly connection: NatsConnection;
  /** Where the guest may subscribe. */
  readonly inboxPrefix: string;
  readonly publicKey: string;
}

export interface TestNats {
  readonly installation: Installation;
  readonly issuer: Issuer;
  readonly url: string;
  readonly port: number;
  /** Its streams on the disk. */
  readonly dataFolder: string;
  /** The queue's connection, in CORE. */
  core(options?: ConnectionOptions): Promise<NatsConnection>;
  /** An operator's connection, in CORE. */
  operator(options?: ConnectionOptions): Promise<Guest>;
  user(name: string, options?: ConnectionOptions): Promise<Guest>;
  builder(id: string, options?: ConnectionOptions): Promise<Guest>;
  /** The caller's or the agent's connection for one build, with a new key pair. */
  build(build: string, role: BuildRole, options?: ConnectionOptions): Promise<Guest>;
  /** A connection with any credential. */
  connect(jwt: string, key: NKey, options?: ConnectionOptions): Promise<Guest>;
  /** Stops the server and starts it again on the same port and data. */
  restart(): Promise<void>;
  /** Closes every connection made by these functions, stops the server and removes the folder. */
  stop(): Promise<void>;
}

export interface TestNatsOptions {
  readonly server?: Omit<StartOptions, "installation" | "dataDir">;
}

export async function startTestNats(options: TestNatsOptions = {}): Promise<TestNats> {
  const folder = await mkdtemp(join(tmpdir(), "cb-nats-"));
  // A test file that crashes runs no `after` hook. Prepended, because uvu's own listener exits the process at once.
  process.prependListener("exit", () => rmSync(folder, { recursive: true, force: true, maxRetries: 3 }));
  try {
    const keys = { folder: join(folder, "keys"), name: "test", serverName: "nats.test", nowMs: Date.now() };
    const installation = await makeInstallation(keys);
    const dataFolder = join(folder, "data");
    const start = (port: number) => startNatsServer({ port, ...options.server, installation, dataDir: dataFolder });
    return await testNatsOn({ installation, server: await start(0), start, folder, dataFolder });
  } catch (error) {
    await rm(folder, { recursive: true, force: true });
    throw error;
  }
}

interface Parts {
  readonly installation: Installation;
  readonly server: RunningServer;
  readonly start: (port: number) => Promise<RunningServer>;
  readonly folder: string;
  readonly dataFolder: string;
}

async function testNatsOn(parts: Parts): Promise<TestNats> {
  const { installation } = parts;
  let server = parts.server;
  const { url, port } = server;
  const connections: NatsConnection[] = [];
  const signingKey = await readKeyFile(installation.files.guestSigningSeed);
  const issuer = new Issuer({ guestAccount: installation.guest, signingKey, nowMs: Date.now });

  const open = async (jwt: string, key: NKey, options: ConnectionOptions = {}): Promise<Guest> => {
    const tls = { caFile: installation.files.caFile, servername: installation.serverName };
    const own = inboxPrefix(key.publicKey);
    const auth = { authenticator: authenticator(jwt, key), inboxPrefix: own };
    const connection = await connectWhole({ servers: url, tls, ...auth, ...options });
    connections.push(connection);
    return { connection, inboxPrefix: own, publicKey: key.publicKey };
  };
  const byCreds = (creds: Creds, options?: ConnectionOptions) => open(creds.jwt, creds.key, options);
  const byText = (text: string, options?: ConnectionOptions) => byCreds(parseCreds(text, "issued"), options);
  const byFile = async (path: string, options?: ConnectionOptions) =>
    byCreds(await readCreds(path, Date.now()), options);

  return {
    installation,
    issuer,
    url,
    port,
    dataFolder: parts.dataFolder,
    core: async (options) => (await byFile(installation.files.queueCreds, options)).connection,
    operator: (options) => byFile(installation.files.operatorCreds, options),
    user: (name, options) => byText(issuer.userCreds(name).creds, options),
    builder: (id, options) => byText(issuer.builderCreds(id, Date.now() + HOUR_MS).creds, options),
    build: (build, role, options) => {
      const key = createKey("user");
      const grant = { build, role, publicKey: key.publicKey, expiresAtMs: Date.now() + HOUR_MS };
      return open(issuer.buildJwt(grant), key, options);
    },
    connect: open,
    restart: async () => {
      await server.stop();
      server = await parts.start(port);
    },
    stop: async () => {
      await Promise.allSettled(connections.map((connection) => connection.close()));
      await server.stop();
      await rm(parts.folder, { recursive: true, force: true });
    },
  };
}
