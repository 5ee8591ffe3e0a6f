/** A process that outlives the command that started it, found again by its pid file. */
import { spawn } from "node:child_process";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { open } from "node:fs/promises";
import { systemClock } from "../../lib/core/clock.ts";
import { CbError, messageOf } from "../../lib/core/errors.ts";

/** A pid alone may be another process by now; with its start time it is the one that was meant. */
interface PidRecord {
  readonly pid: number;
  /** Clock ticks after boot, field 22 of /proc/PID/stat (proc(5)). */
  readonly startTicks: string;
}

/** Longer than the queue's own patience when it stops. */
export const QUEUE_PATIENCE_MS = 25_000;

/** How often an ending process is looked at: nobody sends an event for a process that is not a child. */
const LOOK_MS = 20;

export interface ProcessOptions {
  readonly argv: readonly [string, ...string[]];
  readonly pidFile: string;
  /** Gets standard output and error, after what an earlier run left there. */
  readonly logFile: string;
}

/** The pid. Throws CbError "config" when the program cannot be run. */
export async function startProcess({ argv, pidFile, logFile }: ProcessOptions): Promise<number> {
  const log = await open(logFile, "a", 0o600);
  try {
    const [program, ...args] = argv;
    const child = spawn(program, args, { detached: true, stdio: ["ignore", log.fd, log.fd], cwd: "/" });
    await new Promise((resolve, reject) => child.once("spawn", resolve).once("error", reject));
    child.unref();
    if (child.pid === undefined) throw new Error("it has no pid");
    rememberPid(pidFile, child.pid);
    return child.pid;
  } catch (cause) {
    throw new CbError("config", `cannot run ${argv[0]}: ${messageOf(cause)}`, { cause });
  } finally {
    await log.close();
  }
}

export function rememberPid(pidFile: string, pid: number): void {
  const record: PidRecord = { pid, startTicks: startTicks(pid) ?? "" };
  writeFileSync(pidFile, JSON.stringify(record), { mode: 0o600 });
}

/** Undefined when it is not running, or was never started. */
export function runningPid(pidFile: string): number | undefined {
  try {
    const { pid, startTicks: started } = JSON.parse(readFileSync(pidFile, "utf8")) as PidRecord;
    return startTicks(pid) === started ? pid : undefined;
  } catch {
    return undefined;
  }
}

/** Asks it to end, waits, and kills it when it takes longer than `patienceMs`. Does nothing when it is not running. */
export async function stopProcess(pidFile: string, patienceMs: number): Promise<void> {
  const endMs = systemClock.nowMs() + patienceMs;
  const pid = runningPid(pidFile);
  if (pid !== undefined) kill(pid, "SIGTERM");
  while (runningPid(pidFile) !== undefined) {
    if (pid !== undefined && systemClock.nowMs() > endMs) kill(pid, "SIGKILL");
    await systemClock.sleep(LOOK_MS);
  }
  rmSync(pidFile, { force: true });
}

/** It may have ended by itself since it was looked at. */
function kill(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "ESRCH")) throw error;
  }
}

/** Undefined when there is no such process, or it is a zombie that nobody has waited for. */
function startTicks(pid: number): string | undefined {
  try {
    // The command's name is in brackets and may hold anything, brackets too.
    const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ").at(-1)?.split(" ") ?? [];
    return fields[0] === "Z" ? undefined : fields[19];
  } catch {
    return undefined;
  }
}
