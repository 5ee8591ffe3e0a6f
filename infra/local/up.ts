/** Brings the local stack up, step by step; each step is skipped when its work is done already. */
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { stringify } from "yaml";
import { CbError } from "../../lib/core/errors.ts";
import { Issuer, readKeyFile } from "../../lib/nats/credentials/issuer.ts";
import { writeSecretFile } from "../../lib/nats/credentials/secret-file.ts";
import type { Installation } from "../nats/installation.ts";
import { makeInstallation } from "../nats/make-installation.ts";
import { findNatsServer, startNatsServer } from "../nats/server.ts";
import { build } from "../tools/build.ts";
import { ensureTools } from "../tools/setup/ensure-tools.ts";
import { natsServerPath } from "../tools/setup/nats-server.ts";
import { SANDBOX_TOOLS } from "../tools/setup/packages.ts";
import { type BuilderKind, type Builders, prepareBuilders } from "./builders.ts";
import { QUEUE_PATIENCE_MS, runningPid, startProcess, stopProcess } from "./daemon.ts";
import { type Layout, layout } from "./layout.ts";
import { withLock } from "./lock.ts";
import { kindIn, queueYaml } from "./queue-yaml.ts";
import { ensureRights } from "./rights.ts";
import { waitForReserve } from "./wait-for-reserve.ts";

/** The one name in the stack's certificate; it need not resolve, since every program is told to expect it. */
const SERVER_NAME = "nats.container-builder.local";

const PROJECT = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
/** Where the programs and the agent's bundle are. */
export const DIST = join(PROJECT, "dist");

/** The bundled cb-local is among what a build makes, and has no sources to make it from. */
const FROM_SOURCES = import.meta.url.endsWith("/infra/local/up.ts");

/**
 * Sandboxes were ready after 1 to 3 s on two cores, an emulated machine after half a minute. A loaded computer gets ten times
 * as long.
 */
const READY_MS: Readonly<Record<BuilderKind, number>> = { sandbox: 30_000, qemu: 300_000 };

export type Notify = (line: string) => void;

/**
 * Resolves when the queue answers and its reserve is full. Throws CbError "config" naming what is missing and the
 * command that mends it, "usage" when it is up with builders of another kind, "infrastructure" when a part does not start,
 * with its own last words, and what `signal` aborts with.
 */
export function up(say: Notify, signal: AbortSignal, kind: BuilderKind = "sandbox"): Promise<void> {
  const paths = layout();
  return withLock(paths, async () => {
    await ensureTools({ need: SANDBOX_TOOLS, onStep: say });
    await ensureRights(paths.sandboxes, say);
    signal.throwIfAborted();
    if (FROM_SOURCES) await build({ outDir: DIST });
    await refuseOthers(paths, kind);
    const builders = await prepareBuilders(kind, { agentDir: join(DIST, "agent"), say, signal });
    const installation = await makeInstallation({
      folder: paths.installation,
      name: "local",
      serverName: SERVER_NAME,
      nowMs: Date.now(),
    });
    signal.throwIfAborted();
    await startStack(paths, installation, builders, say);
    await waitForReserve(paths, { say, signal, readyMs: READY_MS[kind] });
  });
}

/** The builders that wait would go on waiting, and be given to whoever means to get one of the other kind. */
async function refuseOthers(paths: Layout, kind: BuilderKind): Promise<void> {
  if (runningPid(paths.queuePid) === undefined) return;
  const running = kindIn(await readFile(paths.queueConfig, "utf8"));
  if (running === kind) return;
  throw new CbError("usage", `the local stack is up with builders of the kind ${running}, not ${kind}`, {
    hint: "take it down first: cb-local down",
  });
}

/** Starts what does not run. */
async function startStack(paths: Layout, installation: Installation, builders: Builders, say: Notify): Promise<void> {
  const nats = await findNatsServer(paths.natsData);
  if (nats !== undefined && runningPid(paths.queuePid) !== undefined) return;
  const natsUrl = nats?.url ?? (await startNats(paths, installation, say));
  const natsPort = Number(new URL(natsUrl).port);
  await mkdir(paths.sandboxes, { recursive: true, mode: 0o700 });
  const config = queueYaml({ installation, natsUrl, natsPort, sandboxes: paths.sandboxes, builders });
  // A queue that runs, and its builders, know NATS at another address: they cannot find it again.
  const moved = config !== (await readFile(paths.queueConfig, "utf8").catch(() => ""));
  if (moved) await stopProcess(paths.queuePid, QUEUE_PATIENCE_MS);
  await writeFile(paths.queueConfig, config, { mode: 0o600 });
  await writeClient(paths, installation, natsUrl);
  if (runningPid(paths.queuePid) !== undefined) return;
  say("Starting cb-queue");
  await startProcess({
    argv: [process.execPath, join(DIST, "bin", "cb-queue"), "--config", paths.queueConfig],
    pidFile: paths.queuePid,
    logFile: paths.queueLog,
  });
}

/** The url: where it was the last time if that is possible, so that builds that run find it again. */
async function startNats(paths: Layout, installation: Installation, say: Notify): Promise<string> {
  say("Starting nats-server");
  const options = {
    installation,
    dataDir: paths.natsData,
    natsServerPath: await natsServerPath({ onStep: say }),
    detached: true,
  };
  const port = await readFile(paths.natsPort, "utf8").then(Number, () => 0);
  const server = await startNatsServer({ ...options, port }).catch(() => startNatsServer(options));
  await writeFile(paths.natsPort, String(server.port));
  return server.url;
}

/** Settings and credential of the person whose stack this is. */
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
  };
  await writeSecretFile(paths.clientConfig, stringify(settings));
  await writeSecretFile(paths.adminConfig, stringify(adminSettings(installation, url)));
}

/** On a workstation the person is the operator, and the operator key lies where it was made. */
function adminSettings({ files, serverName }: Installation, url: string) {
  const account = { jwt: files.guestJwt, operatorKey: files.operatorSeed, sysCreds: files.sysCreds };
  return { url, servername: serverName, ca: files.caFile, creds: files.operatorCreds, account };
}
