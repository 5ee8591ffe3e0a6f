/** Starts, finds and stops a real nats-server on an installation's keys: for tests, and for the local stack. */
import type { ChildProcess } from "node:child_process";
import { mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { CbError, messageOf } from "../../lib/core/errors.ts";
import type { Installation } from "./installation.ts";
import { launchNats, portOf, readPort } from "./launch.ts";
import { serverConfig } from "./server-config.ts";

export interface StartOptions {
  readonly installation: Installation;
  /** Made if missing. One server at a time. */
  readonly dataDir: string;
  /** Default: the environment's NATS_SERVER, else `nats-server` on the PATH. */
  readonly natsServerPath?: string;
  /** Default 127.0.0.1. */
  readonly host?: string;
  /** Default 0: a free one. */
  readonly port?: number;
  /** True: outlives this process (the local stack). Default false: dies with it, also when it is killed. */
  readonly detached?: boolean;
  /** Default 16 GiB: a few images of the usual size on a workstation. */
  readonly maxFileBytes?: number;
  /** Default 1000: a frozen client is dropped within 3 s. */
  readonly pingIntervalMs?: number;
}

export interface RunningServer {
  readonly url: string;
  readonly port: number;
  readonly pid: number;
  /** Ends the server and waits for its end; resolves too if it has ended already. */
  stop(): Promise<void>;
}

const GiB = 1024 ** 3;
/** A clean stop takes some 100 ms; then SIGKILL, which streams survive. */
const STOP_TIMEOUT_MS = 10_000;
const LOG_TAIL_BYTES = 4096;
const LOOPBACK = "127.0.0.1";

/**
 * Resolves when the server takes connections. Throws CbError "config" when there is no nats-server or one runs already on `dataDir`, and
 * "infrastructure" with the server's own last lines when it ends or is not ready within 30 s.
 */
export async function startNatsServer(options: StartOptions): Promise<RunningServer> {
  await mkdir(options.dataDir, { recursive: true, mode: 0o700 });
  const { dataDir, detached = false, host = LOOPBACK } = options;
  await refuseSecond(dataDir);
  await clearPortsFiles(dataDir);
  const confFile = confFileIn(dataDir);
  await writeFile(confFile, serverConfig(await configOf(options)), { mode: 0o600 });
  const program = options.natsServerPath ?? process.env.NATS_SERVER ?? "nats-server";
  const child = await launchNats({ program, confFile, dataDir, detached });
  const pid = child.pid ?? 0;
  const ended = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  const stop = () => end(child, ended);
  try {
    const port = await portOf(child, dataDir);
    if (detached) child.unref();
    return { url: `tls://${host}:${port}`, port, pid, stop };
  } catch (error) {
    await stop();
    throw new CbError("infrastructure", `nats-server did not start: ${messageOf(error)}`, {
      hint: `its last lines:\n${await lastLines(dataDir)}`,
      cause: error,
    });
  }
}

async function configOf(options: StartOptions) {
  const { installation } = options;
  const { files } = installation;
  const jwt = async (path: string) => (await readFile(path, "utf8")).trim();
  return {
    serverName: installation.name,
    host: options.host ?? LOOPBACK,
    port: options.port ?? 0,
    dataDir: options.dataDir,
    operatorJwt: await jwt(files.operatorJwt),
    accounts: [
      { id: installation.sys, jwt: await jwt(files.sysJwt) },
      { id: installation.core, jwt: await jwt(files.coreJwt) },
      { id: installation.guest, jwt: await jwt(files.guestJwt) },
    ],
    certFile: files.certFile,
    keyFile: files.keyFile,
    maxFileBytes: options.maxFileBytes ?? 16 * GiB,
    pingIntervalMs: options.pingIntervalMs ?? 1000,
    tags: ["container-builder"],
  };
}

/**
 * The server that runs on `dataDir`, whoever started it; nothing when there is none. `host` as it was started with.
 * A pid alone proves nothing after a reboot: the process must be running with this folder's configuration.
 */
export async function findNatsServer(dataDir: string, host = LOOPBACK): Promise<RunningServer | undefined> {
  const pid = Number(await readFile(join(dataDir, "nats-server.pid"), "utf8").catch(() => ""));
  if (!(pid > 1) || !(await isOurs(pid, dataDir))) return undefined;
  const port = await readPort(dataDir, pid);
  if (port === undefined) return undefined;
  return { url: `tls://${host}:${port}`, port, pid, stop: () => endStranger(pid, dataDir) };
}

async function isOurs(pid: number, dataDir: string): Promise<boolean> {
  const command = await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "");
  return command.split("\0").includes(confFileIn(dataDir));
}

/** Two servers on one store would ruin it, and nats-server 2.9 does not look. */
async function refuseSecond(dataDir: string): Promise<void> {
  const running = await findNatsServer(dataDir);
  if (running === undefined) return;
  throw new CbError("config", `a nats-server runs on ${dataDir} already, process ${running.pid}`, {
    hint: `use it, or end it: kill ${running.pid}`,
  });
}

function confFileIn(dataDir: string): string {
  return join(dataDir, "nats-server.conf");
}

/** There is no event for the end of a process that is not our child, so this looks every 20 ms. */
async function endStranger(pid: number, dataDir: string): Promise<void> {
  for (let waitedMs = 0; await isOurs(pid, dataDir); waitedMs += 20) {
    if (waitedMs === 0) process.kill(pid, "SIGTERM");
    if (waitedMs === STOP_TIMEOUT_MS) process.kill(pid, "SIGKILL");
    await sleep(20);
  }
}

async function clearPortsFiles(dataDir: string): Promise<void> {
  const stale = (await readdir(dataDir)).filter((file) => file.endsWith(".ports"));
  await Promise.all(stale.map((file) => rm(join(dataDir, file), { force: true })));
}

async function end(child: ChildProcess, ended: Promise<void>): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill("SIGTERM");
  const timer = setTimeout(() => child.kill("SIGKILL"), STOP_TIMEOUT_MS);
  await ended;
  clearTimeout(timer);
}

async function lastLines(dataDir: string): Promise<string> {
  const texts = await Promise.all(
    ["nats-server.err", "nats-server.log"].map((name) => readFile(join(dataDir, name), "utf8").catch(() => "")),
  );
  return texts
    .map((text) => text.slice(-LOG_TAIL_BYTES))
    .join("")
    .trim();
}
