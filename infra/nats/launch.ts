/** Starts the process of a nats-server, and waits until the server has written its port to a file. */
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { constants, watch } from "node:fs";
import { access, open, readdir, readFile } from "node:fs/promises";
import { delimiter, join } from "node:path";
import { promisify } from "node:util";
import { CbError, messageOf } from "../../lib/core/errors.ts";

/** A start takes 50–300 ms (measured); recovering large streams after a crash takes longer. */
const START_TIMEOUT_MS = 30_000;

export interface NatsLaunch {
  /** A path, or a name on the PATH. */
  readonly program: string;
  readonly confFile: string;
  readonly dataDir: string;
  readonly detached: boolean;
}

/**
 * The server prints to `nats-server.err` until its log file is open. Unless `detached`, the kernel kills the server when this
 * process ends (prctl PR_SET_PDEATHSIG, set by setpriv of util-linux), so a killed test leaves no server behind. Throws CbError
 * "config" when the program cannot be run.
 */
export async function launchNats({ program, confFile, dataDir, detached }: NatsLaunch): Promise<ChildProcess> {
  const command = [await executable(program), "-c", confFile];
  const [file = program, ...args] = detached ? command : ["setpriv", "--pdeathsig", "KILL", ...command];
  const errors = await open(join(dataDir, "nats-server.err"), "w", 0o600);
  try {
    const child = spawn(file, args, { detached, stdio: ["ignore", "ignore", errors.fd] });
    await once(child, "spawn");
    return child;
  } catch (error) {
    throw notRunnable(file, error);
  } finally {
    await errors.close();
  }
}

/** The text of `nats-server --version`. Throws CbError "config" when the program cannot be run. */
export async function natsVersion(program: string): Promise<string> {
  const path = await executable(program);
  try {
    return (await promisify(execFile)(path, ["--version"], { timeout: START_TIMEOUT_MS })).stdout;
  } catch (error) {
    throw notRunnable(path, error);
  }
}

/** Whether the text, "nats-server: v2.10.27", names this version or a later one. False for a text without a version. */
export function isAtLeast(versionText: string, major: number, minor: number): boolean {
  const [, isMajor, isMinor] = /\bv(\d+)\.(\d+)\./.exec(versionText) ?? [];
  if (isMajor === undefined || isMinor === undefined) return false;
  return Number(isMajor) > major || (Number(isMajor) === major && Number(isMinor) >= minor);
}

/** Returns the path of a program, found on the PATH as a shell does. */
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
  throw notRunnable(program, new Error("it is missing or not executable"));
}

function notRunnable(program: string, cause: unknown): CbError {
  const hint = "install nats-server (on Debian: apt-get install nats-server), or name it in NATS_SERVER";
  return new CbError("config", `cannot run ${program}: ${messageOf(cause)}`, { hint, cause });
}

/**
 * Returns the port that the server listens on. Throws when the server ends first, or does not listen within 30 s.
 *
 * The server writes `<program>_<pid>.ports` once it listens, and this function waits for a change of the folder.
 */
export async function portOf(child: ChildProcess, dataDir: string): Promise<number> {
  const giveUp = new AbortController();
  const onExit = () => giveUp.abort(new Error("it ended"));
  const timer = setTimeout(() => giveUp.abort(new Error(`not ready within ${START_TIMEOUT_MS} ms`)), START_TIMEOUT_MS);
  // Watching starts before the first read, so that no change is missed between the two.
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

/**
 * Returns the port in the ports file of the server `pid`, or undefined while the file is missing or incomplete. A server that
 * ends removes its file, which may happen between the listing of the folder and the reading of the file.
 */
export async function readPort(dataDir: string, pid: number | undefined): Promise<number | undefined> {
  const name = (await readdir(dataDir)).find((file) => file.endsWith(`_${pid}.ports`));
  if (name === undefined) return undefined;
  const text = await readFile(join(dataDir, name), "utf8").catch(() => "");
  const url = /"nats"\s*:\s*\[\s*"([^"]+)"[^\]]*\]/.exec(text)?.[1];
  return url === undefined ? undefined : Number(new URL(url).port);
}
