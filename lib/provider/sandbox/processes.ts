/**
 * Finds and ends the processes of a sandbox from outside, also after a restart of the program that created it.
 *
 * The first stage, the supervisor, leads a session to which all stages belong. Every user may read the session and the start
 * time of a process; more cannot be read of a process in another user namespace. The first process of the outer pid namespace
 * is a stage: when it dies, the kernel kills every process inside, also those that have detached themselves.
 */
import { readdir, readFile } from "node:fs/promises";
import { setTimeout as delay } from "node:timers/promises";
import { CbError } from "../../core/errors.ts";
import { signalProcess } from "../../core/signal-process.ts";

/** Identifies the first stage, from the file that it wrote. No other process matches, also when its process id is reused. */
export interface Supervisor {
  readonly pid: number;
  /** In clock ticks since boot, a hundredth of a second each (proc(5): starttime, USER_HZ). */
  readonly startTicks: number;
  readonly bootId: string;
}

/** All stages start within a second; a minute covers a machine that swaps. */
const STAGES_START_TICKS = 60 * 100;
/** Killed processes exit within milliseconds; ten seconds cover a machine that swaps. */
const END_TIMEOUT_MS = 10_000;
/** Interval at which /proc is read meanwhile. The end of a process that is no child raises no event. */
const POLL_MS = 5;

/** Parses the supervisor file: "PID START-TICKS BOOT-ID". Returns `undefined` for any other text. */
export function parseSupervisor(line: string): Supervisor | undefined {
  const [, pid, startTicks, bootId] = /^(\d+) (\d+) ([0-9a-f-]+)\n$/.exec(line) ?? [];
  if (pid === undefined || bootId === undefined) return undefined;
  return { pid: Number(pid), startTicks: Number(startTicks), bootId };
}

export async function isAlive(supervisor: Supervisor): Promise<boolean> {
  if (supervisor.bootId !== (await bootId())) return false;
  const stat = await readStat(supervisor.pid);
  return stat !== undefined && stat.startTicks === supervisor.startTicks;
}

/**
 * Returns the living processes of a sandbox's stages, and those inside that made no session of their own. The session alone
 * does not identify them: after the supervisor's death another daemon's session may have got the number. Therefore only
 * processes count that started within a minute after the supervisor.
 */
export async function processesOf(supervisor: Supervisor): Promise<number[]> {
  if (supervisor.bootId !== (await bootId())) return [];
  const pids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name)).map(Number);
  const stats = await Promise.all(pids.map(readStat));
  const latest = supervisor.startTicks + STAGES_START_TICKS;
  return pids.filter((_pid, index) => {
    const stat = stats[index];
    return stat?.session === supervisor.pid && stat.startTicks >= supervisor.startTicks && stat.startTicks <= latest;
  });
}

/**
 * Kills all processes of a sandbox and resolves when none is left. Throws CbError "infrastructure" when one is left after
 * END_TIMEOUT_MS.
 */
export async function endProcessesOf(supervisor: Supervisor): Promise<void> {
  const giveUpAtMs = performance.now() + END_TIMEOUT_MS;
  for (;;) {
    const pids = await processesOf(supervisor);
    if (pids.length === 0) return;
    for (const pid of pids) signalProcess(pid, "SIGKILL");
    if (performance.now() > giveUpAtMs) {
      throw new CbError("infrastructure", `processes of a sandbox do not end: ${pids.join(", ")}`, {
        hint: "they may hang in the kernel, on a disk or a file server that does not respond: see `ps -o pid,stat,wchan`",
      });
    }
    await delay(POLL_MS);
  }
}

/** Returns `undefined` when the process has exited, also while it is a zombie. */
async function readStat(pid: number): Promise<{ session: number; startTicks: number } | undefined> {
  const stat = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => undefined);
  if (stat === undefined) return undefined;
  // The name is in parentheses and may contain any character; the third field, state, and the rest follow it (proc(5)).
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  if (fields[0] === "Z" || fields[0] === "X") return undefined;
  return { session: Number(fields[6 - 3]), startTicks: Number(fields[22 - 3]) };
}

async function bootId(): Promise<string> {
  return (await readFile("/proc/sys/kernel/random/boot_id", "utf8")).trim();
}
