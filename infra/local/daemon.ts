/** Starts a process that outlives this command, and finds it again by its pid file. */
import { spawn } from "node:child_process";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { open } from "node:fs/promises";
import { CbError, messageOf } from "../../lib/core/errors.ts";
import { endProcess } from "../tools/end-process.ts";

/** The content of a pid file. The kernel reuses process ids; together with the start time an id names one process. */
interface PidRecord {
  readonly pid: number;
  /** Clock ticks after boot, field 22 of /proc/PID/stat (proc(5)). */
  readonly startTicks: string;
}

/** From SIGTERM to SIGKILL. The queue itself takes up to 20 s to stop. */
export const QUEUE_STOP_MS = 25_000;

export interface ProcessOptions {
  readonly argv: readonly [string, ...string[]];
  readonly pidFile: string;
  /** Standard output and error are appended to it. */
  readonly logFile: string;
}

/** Returns the process id. Throws CbError "config" when the program cannot be run. */
export async function startProcess({ argv, pidFile, logFile }: ProcessOptions): Promise<number> {
  const log = await open(logFile, "a", 0o600);
  try {
    const [program, ...args] = argv;
    const child = spawn(program, args, { detached: true, stdio: ["ignore", log.fd, log.fd], cwd: "/" });
    await new Promise((resolve, reject) => child.once("spawn", resolve).once("error", reject));
    child.unref();
    if (child.pid === undefined) throw new Error("it has no process id");
    writePidFile(pidFile, child.pid);
    return child.pid;
  } catch (cause) {
    throw new CbError("config", `cannot run ${argv[0]}: ${messageOf(cause)}`, { cause });
  } finally {
    await log.close();
  }
}

function writePidFile(pidFile: string, pid: number): void {
  const record: PidRecord = { pid, startTicks: startTicks(pid) ?? "" };
  writeFileSync(pidFile, JSON.stringify(record), { mode: 0o600 });
}

/** Undefined when the process has ended, or was never started. */
export function runningPid(pidFile: string): number | undefined {
  try {
    const { pid, startTicks: recordedTicks } = JSON.parse(readFileSync(pidFile, "utf8")) as PidRecord;
    return startTicks(pid) === recordedTicks ? pid : undefined;
  } catch {
    return undefined;
  }
}

/** Ends the process, as endProcess does, and removes the pid file. Does nothing when the process does not run. */
export async function stopProcess(pidFile: string, graceMs: number): Promise<void> {
  const pid = runningPid(pidFile);
  if (pid !== undefined) await endProcess(pid, { isRunning: () => runningPid(pidFile) === pid, graceMs });
  rmSync(pidFile, { force: true });
}

/** Undefined when there is no such process, or it is a zombie: it has ended, and its parent has not waited for it yet. */
function startTicks(pid: number): string | undefined {
  try {
    // The second field is the program's name in parentheses, which may itself hold parentheses.
    const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ").at(-1)?.split(" ") ?? [];
    return fields[0] === "Z" ? undefined : fields[19];
  } catch {
    return undefined;
  }
}
