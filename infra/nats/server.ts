/** Starts and stops a real nats-server on an installation's keys: for tests, and for the local stack. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { constants, watch } from "node:fs";
import { access, mkdir, open, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { delimiter, join } from "node:path";
import { CbError, messageOf } from "../../lib/errors.ts";
import type { Installation } from "./installation.ts";
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
/** It is up in 50–300 ms; recovering large streams after a crash takes longer. */
const START_TIMEOUT_MS = 30_000;
/** A clean stop takes some 100 ms; then SIGKILL, which streams survive. */
const STOP_TIMEOUT_MS = 10_000;
const LOG_TAIL_BYTES = 4096;

/**
 * Resolves when the server takes connections. Throws CbError "config" when there is no nats-server, and
 * "infrastructure" with the server's own last lines when it ends or is not ready within 30 s.
 */
export async function startNatsServer(options: StartOptions): Promise<RunningServer> {
  await mkdir(options.dataDir, { recursive: true, mode: 0o700 });
  await clearPortsFiles(options.dataDir);
  const confFile = join(options.dataDir, "nats-server.conf");
  await writeFile(confFile, serverConfig(await configOf(options)), { mode: 0o600 });
  const child = await launch(options, confFile);
  const pid = child.pid ?? 0;
  const ended = new Promise<void>((resolve) => child.once("exit", () => resolve()));
  const stop = () => end(child, ended);
  try {
    const port = await portOf(child, options.dataDir);
    if (options.detached) child.unref();
    return { url: `tls://${options.host ?? "127.0.0.1"}:${port}`, port, pid, stop };
  } catch (error) {
    await stop();
    throw new CbError("infrastructure", `nats-server did not start: ${messageOf(error)}`, {
      hint: `its last lines:\n${await lastLines(options.dataDir)}`,
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
    host: options.host ?? "127.0.0.1",
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
 * What it says before its log file is open goes to `nats-server.err`. Attached, the kernel ends it with us
 * (prctl PR_SET_PDEATHSIG, which setpriv of util-linux sets), so that a killed test leaves no server behind.
 */
async function launch(options: StartOptions, confFile: string): Promise<ChildProcess> {
  const program = options.natsServerPath ?? process.env.NATS_SERVER ?? "nats-server";
  const command = [await executable(program), "-c", confFile];
  const [file = program, ...args] = options.detached ? command : ["setpriv", "--pdeathsig", "KILL", ...command];
  const errors = await open(join(options.dataDir, "nats-server.err"), "w", 0o600);
  try {
    const child = spawn(file, args, { detached: options.detached === true, stdio: ["ignore", "ignore", errors.fd] });
    await once(child, "spawn");
    return child;
  } catch (error) {
    throw notRunnable(file, error);
  } finally {
    await errors.close();
  }
}

/** The path of a program, sought on the PATH as a shell does. */
async function executable(program: string): Promise<string> {
  const folders = program.includes("/") ? [""] : (process.env.PATH ?? "").split(delimiter);
  for (const folder of folders) {
    const path = join(folder, program);
    if (
      await access(path, constants.X_OK).then(
        () => true,
        () => false,
      )
    )
      return path;
  }
  throw notRunnable(program, new Error("it is not there or not executable"));
}

function notRunnable(program: string, cause: unknown): CbError {
  const hint = "install nats-server (on Debian: apt-get install nats-server), or name it in NATS_SERVER";
  return new CbError("config", `cannot run ${program}: ${messageOf(cause)}`, { hint, cause });
}

/** The server writes `<program>_<pid>.ports` once it listens; the file's appearance is the event that is awaited. */
async function portOf(child: ChildProcess, dataDir: string): Promise<number> {
  const giveUp = new AbortController();
  const onExit = () => giveUp.abort(new Error("it ended"));
  const timer = setTimeout(() => giveUp.abort(new Error(`not ready within ${START_TIMEOUT_MS} ms`)), START_TIMEOUT_MS);
  // Watching starts before the first look, so that nothing falls between the two.
  const watcher = watch(dataDir);
  child.once("exit", onExit);
  if (child.exitCode !== null || child.signalCode !== null) onExit();
  try {
    for (;;) {
      const changed = once(watcher, "change", { signal: giveUp.signal }).catch(() => undefined);
      const port = await readPort(dataDir, child.pid);
      if (port !== undefined) return port;
      await changed;
      giveUp.signal.throwIfAborted();
    }
  } finally {
    clearTimeout(timer);
    child.off("exit", onExit);
    watcher.close();
    giveUp.abort();
  }
}

async function readPort(dataDir: string, pid: number | undefined): Promise<number | undefined> {
  const name = (await readdir(dataDir)).find((file) => file.endsWith(`_${pid}.ports`));
  if (name === undefined) return undefined;
  const text = await readFile(join(dataDir, name), "utf8");
  const url = /"nats"\s*:\s*\[\s*"([^"]+)"[^\]]*\]/.exec(text)?.[1];
  return url === undefined ? undefined : Number(new URL(url).port);
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
