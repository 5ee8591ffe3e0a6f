/** Starts the local stack step by step. A step that is done already is skipped. */
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { stringify } from "yaml";
import { CbError } from "../../lib/core/errors.ts";
import { Issuer, readKeyFile } from "../../lib/nats/credentials/issuer.ts";
import { readSealingKeys } from "../../lib/nats/credentials/sealing-key.ts";
import { writeSecretFile } from "../../lib/nats/credentials/secret-file.ts";
import type { Mirror } from "../../lib/protocol/builder-messages.ts";
import { requirePrerequisites } from "../../lib/provider/sandbox/prerequisites.ts";
import { addSubordinateIds } from "../../lib/provider/sandbox/subordinate-ids.ts";
import type { Installation } from "../nats/installation.ts";
import { makeInstallation } from "../nats/make-installation.ts";
import { findNatsServer, startNatsServer } from "../nats/server.ts";
import { build } from "../tools/build.ts";
import { ensureTools } from "../tools/setup/ensure-tools.ts";
import { natsServerPath } from "../tools/setup/nats-server.ts";
import { SANDBOX_TOOLS } from "../tools/setup/packages.ts";
import { type BuilderKind, type LocalBuilders, prepareBuilders } from "./builders.ts";
import { QUEUE_STOP_MS, runningPid, startProcess, stopProcess } from "./daemon.ts";
import { httpPort } from "./http-port.ts";
import { type Layout, layout } from "./layout.ts";
import { kindIn, queueYaml } from "./queue-yaml.ts";
import { type RegistryChoice, startRegistry } from "./registry.ts";
import { withStackLock } from "./stack-lock.ts";
import { waitForReserve } from "./wait-for-reserve.ts";

/** The DNS name in the stack's certificate. It need not resolve: the settings of every program name it as `servername`. */
const SERVER_NAME = "nats.container-builder.local";

const PROJECT = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
/** The folder with the bundled programs and the agent. */
export const DIST = join(PROJECT, "dist");

/** False in the bundled cb-local, which a build has produced and which has no sources beside it. */
const FROM_SOURCES = import.meta.url.endsWith("/infra/local/up.ts");

/** Ten times the measured times, for a loaded computer: on two cores sandboxes took 1 to 3 s, an emulated machine 30 s. */
const READY_TIMEOUT_MS: Readonly<Record<BuilderKind, number>> = { sandbox: 30_000, qemu: 300_000 };

export type Notify = (line: string) => void;

export interface UpOptions {
  readonly kind?: BuilderKind | undefined;
  /** Default: docker.io. */
  readonly registries?: RegistryChoice | undefined;
}

/**
 * Resolves when the queue replies and its reserve is full. Throws CbError "config" with each missing program or right and the
 * command that provides it, "usage" when the stack is up with builders of another kind, "infrastructure" with the end of its log
 * when a part does not start, and the reason of `signal`.
 */
export function up(notify: Notify, signal: AbortSignal, options: UpOptions = {}): Promise<void> {
  const { kind = "sandbox", registries } = options;
  const paths = layout();
  const start = async (): Promise<void> => {
    await ensureTools({ need: SANDBOX_TOOLS, onStep: notify });
    await ensureRights(paths.sandboxes, notify);
    signal.throwIfAborted();
    if (FROM_SOURCES) await build({ outDir: DIST });
    await refuseOtherKind(paths, kind);
    const builders = await prepareBuilders(kind, { agentDir: join(DIST, "agent"), notify, signal });
    const installation = await makeInstallation({
      folder: paths.installation,
      name: "local",
      serverName: SERVER_NAME,
      nowMs: Date.now(),
    });
    signal.throwIfAborted();
    const mirrors = await startRegistry(paths, { binDir: join(DIST, "bin"), choice: registries, notify });
    await startStack(paths, { installation, builders, mirrors, notify });
    await waitForReserve(paths, { notify, signal, timeoutMs: READY_TIMEOUT_MS[kind] });
  };
  return withStackLock(paths, start, signal);
}

/** Checks for each right that a sandbox needs. Root first adds missing subordinate ids. Throws as requirePrerequisites does. */
async function ensureRights(stateDir: string, notify: Notify): Promise<void> {
  if (process.getuid?.() === 0) for (const added of await addSubordinateIds()) notify(`Added a line to ${added}`);
  await requirePrerequisites({ stateDir });
}

/** Builders of the running kind that wait in the reserve would be leased to builds that were to run on the other kind. */
async function refuseOtherKind(paths: Layout, kind: BuilderKind): Promise<void> {
  if (runningPid(paths.queuePid) === undefined) return;
  const running = kindIn(await readFile(paths.queueConfig, "utf8"));
  if (running === kind) return;
  throw new CbError("usage", `the local stack is up with builders of the kind ${running}, not ${kind}`, {
    hint: "take it down first: cb-local down",
  });
}

interface StackParts {
  readonly installation: Installation;
  readonly builders: LocalBuilders;
  readonly mirrors: readonly Mirror[];
  readonly notify: Notify;
}

/** Starts the parts that do not run. */
async function startStack(paths: Layout, { installation, builders, mirrors, notify }: StackParts): Promise<void> {
  const nats = await findNatsServer(paths.natsData);
  const natsUrl = nats?.url ?? (await startNats(paths, installation, notify));
  const natsPort = Number(new URL(natsUrl).port);
  await mkdir(paths.sandboxes, { recursive: true, mode: 0o700 });
  const port = await httpPort(paths.httpPort, runningPid(paths.queuePid) !== undefined);
  const { sandboxes } = paths;
  const config = queueYaml({ installation, natsUrl, natsPort, httpPort: port, sandboxes, builders, mirrors });
  // A running queue and its builders have the old addresses, so they could not connect again.
  const changed = config !== (await readFile(paths.queueConfig, "utf8").catch(() => ""));
  if (!changed && nats !== undefined && runningPid(paths.queuePid) !== undefined) return;
  if (changed) await stopProcess(paths.queuePid, QUEUE_STOP_MS);
  await writeFile(paths.queueConfig, config, { mode: 0o600 });
  await writeClient(paths, installation, natsUrl);
  if (runningPid(paths.queuePid) !== undefined) return;
  notify("Starting cb-queue");
  await startProcess({
    argv: [process.execPath, join(DIST, "bin", "cb-queue"), "--config", paths.queueConfig],
    pidFile: paths.queuePid,
    logFile: paths.queueLog,
  });
}

/** Returns the URL. Takes the last port again if that is free, so that running builds can reconnect. */
async function startNats(paths: Layout, installation: Installation, notify: Notify): Promise<string> {
  notify("Starting nats-server");
  const options = {
    installation,
    dataDir: paths.natsData,
    natsServerPath: await natsServerPath({ onStep: notify }),
    detached: true,
  };
  const port = await readFile(paths.natsPort, "utf8").then(Number, () => 0);
  const server = await startNatsServer({ ...options, port }).catch(() => startNatsServer(options));
  await writeFile(paths.natsPort, String(server.port));
  return server.url;
}

/** Writes the settings and the credential for the clients of the user who runs the stack. */
async function writeClient(paths: Layout, installation: Installation, url: string): Promise<void> {
  await mkdir(paths.client, { recursive: true, mode: 0o700 });
  const signingKey = await readKeyFile(installation.files.guestSigningSeed);
  const issuer = new Issuer({ guestAccount: installation.guest, signingKey, nowMs: Date.now });
  const { creds } = issuer.userCreds("local");
  await writeSecretFile(paths.userCreds, creds);
  const settings = {
    url,
    servername: installation.serverName,
    ca: installation.files.caFile,
    creds: paths.userCreds,
    account: installation.guest,
    sealingKey: (await readSealingKeys(installation.files.sealingKey))[0].publicKey,
  };
  await writeSecretFile(paths.clientConfig, stringify(settings));
  await writeSecretFile(paths.adminConfig, stringify(adminSettings(installation, url)));
}

/** On a workstation the user is the operator too, and the operator key stays in the installation. */
function adminSettings({ files, serverName }: Installation, url: string) {
  const account = { jwt: files.guestJwt, operatorKey: files.operatorSeed, sysCreds: files.sysCreds };
  const streams = { backupCreds: files.backupCreds, restoreCreds: files.queueCreds };
  return { url, servername: serverName, ca: files.caFile, creds: files.operatorCreds, ...streams, account };
}
