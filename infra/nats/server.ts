/** Starts, finds and stops a nats-server with the keys of an installation, for the local stack and for tests. */
import type { ChildProcess } from "node:child_process";
import { mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { CbError, messageOf } from "../../lib/core/errors.ts";
import { endProcess } from "../tools/end-process.ts";
import type { Installation } from "./installation.ts";
import { isAtLeast, launchNats, natsVersion, portOf, readPort } from "./launch.ts";
import { serverConfig } from "./server-config.ts";
import { storageLimit, storageUse } from "./storage-limit.ts";

export interface StartOptions {
  readonly installation: Installation;
  /** It is created when missing. One server at a time uses it. */
  readonly dataDir: string;
  /** Default: the environment's NATS_SERVER, else `nats-server` on the PATH. */
  readonly natsServerPath?: string;
  /** Default 127.0.0.1. */
  readonly host?: string;
  /** Default 0: the server chooses a free port. */
  readonly port?: number;
  /** True: the server outlives this process (the local stack). Default false: it ends with this process, even a killed one. */
  readonly detached?: boolean;
  /**
   * Default 16 GiB: space for a few images of the usual size on a workstation. The server gets less on a disk with less space, and
   * more when its stored streams have reserved more.
   */
  readonly maxFileBytes?: number;
  /** Default 1000: the server disconnects a frozen client within 3 s. */
  readonly pingIntervalMs?: number;
}

export interface RunningServer {
  readonly url: string;
  readonly port: number;
  readonly pid: number;
  /** Ends the server and waits for its end. Does nothing when it has ended already. */
  stop(): Promise<void>;
}

const GiB = 1024 ** 3;
/** From SIGTERM to SIGKILL, which streams survive. A clean stop takes about 100 ms (measured). */
const STOP_GRACE_MS = 10_000;
const LOG_TAIL_BYTES = 4096;
const LOOPBACK = "127.0.0.1";

/**
 * Resolves when the server accepts connections. Throws CbError "config" when nats-server is missing or another server runs on
 * `dataDir`, and "infrastructure" with the end of the server's log when it ends or does not listen within 30 s.
 */
export async function startNatsServer(options: StartOptions): Promise<RunningServer> {
  await mkdir(options.dataDir, { recursive: true, mode: 0o700 });
  const { dataDir, detached = false, host = LOOPBACK } = options;
  await refuseSecondServer(dataDir);
  await clearPortsFiles(dataDir);
  const confFile = confFileIn(dataDir);
  const program = options.natsServerPath ?? process.env.NATS_SERVER ?? "nats-server";
  const hasSyncInterval = isAtLeast(await natsVersion(program), 2, 10);
  await writeFile(confFile, serverConfig({ ...(await configOf(options)), hasSyncInterval }), { mode: 0o600 });
  const child = await launchNats({ program, confFile, dataDir, detached });
  const pid = child.pid ?? 0;
  const ended = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  const stop = () => endChild(child, ended);
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
    maxFileBytes: storageLimit(await storageUse(options.dataDir), options.maxFileBytes ?? 16 * GiB),
    pingIntervalMs: options.pingIntervalMs ?? 1000,
    tags: ["container-builder"],
  };
}

/**
 * Returns the server that runs on `dataDir`, also one that another process started, or undefined. `host` is the host that it was
 * started with. After a reboot the recorded process id may be another process, so its command line must name the configuration
 * in `dataDir`.
 */
export async function findNatsServer(dataDir: string, host = LOOPBACK): Promise<RunningServer | undefined> {
  const pid = Number(await readFile(join(dataDir, "nats-server.pid"), "utf8").catch(() => ""));
  if (!(pid > 1) || !(await runsOn(pid, dataDir))) return undefined;
  const port = await readPort(dataDir, pid);
  if (port === undefined) return undefined;
  const stop = () => endProcess(pid, { isRunning: () => runsOn(pid, dataDir), graceMs: STOP_GRACE_MS });
  return { url: `tls://${host}:${port}`, port, pid, stop };
}

async function runsOn(pid: number, dataDir: string): Promise<boolean> {
  const command = await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "");
  return command.split("\0").includes(confFileIn(dataDir));
}

/** Two servers on one store would corrupt it, and nats-server 2.9 does not check. */
async function refuseSecondServer(dataDir: string): Promise<void> {
  const running = await findNatsServer(dataDir);
  if (running === undefined) return;
  throw new CbError("config", `a nats-server runs on ${dataDir} already, process ${running.pid}`, {
    hint: `use it, or end it: kill ${running.pid}`,
  });
}

function confFileIn(dataDir: string): string {
  return join(dataDir, "nats-server.conf");
}

async function clearPortsFiles(dataDir: string): Promise<void> {
  const stale = (await readdir(dataDir)).filter((file) => file.endsWith(".ports"));
  await Promise.all(stale.map((file) => rm(join(dataDir, file), { force: true })));
}

async function endChild(child: ChildProcess, ended: Promise<void>): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill("SIGTERM");
  const timer = setTimeout(() => child.kill("SIGKILL"), STOP_GRACE_MS);
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
