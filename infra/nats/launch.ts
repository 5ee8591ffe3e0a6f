/** The process of a nats-server: found, started, and ready when it has written down its port. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { constants, watch } from "node:fs";
import { access, open, readdir, readFile } from "node:fs/promises";
import { delimiter, join } from "node:path";
import { CbError, messageOf } from "../../lib/core/errors.ts";

/** It is up in 50–300 ms; recovering large streams after a crash takes longer. */
const START_TIMEOUT_MS = 30_000;

export interface NatsLaunch {
  /** A path, or a name on the PATH. */
  readonly program: string;
  readonly confFile: string;
  readonly dataDir: string;
  readonly detached: boolean;
}

/**
 * What it says before its log file is open goes to `nats-server.err`. Attached, the kernel ends it with us
 * (prctl PR_SET_PDEATHSIG, which setpriv of util-linux sets), so that a killed test leaves no server behind.
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

/**
 * The port it listens on. Rejects when it ends before that, or is not ready within 30 s.
 *
 * The server writes `<program>_<pid>.ports` once it listens; the file's appearance is the event that is awaited.
 */
export async function portOf(child: ChildProcess, dataDir: string): Promise<number> {
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

/** The port in its ports file; nothing while that is not whole. */
export async function readPort(dataDir: string, pid: number | undefined): Promise<number | undefined> {
  const name = (await readdir(dataDir)).find((file) => file.endsWith(`_${pid}.ports`));
  if (name === undefined) return undefined;
  const text = await readFile(join(dataDir, name), "utf8");
  const url = /"nats"\s*:\s*\[\s*"([^"]+)"[^\]]*\]/.exec(text)?.[1];
  return url === undefined ? undefined : Number(new URL(url).port);
}
