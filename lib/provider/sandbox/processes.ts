/**
 * Finding and ending the processes of a sandbox, from outside and after a restart.
 *
 * The first stage, the keeper, leads a session to which all stages belong; session and start time of a process can be
 * read by everybody (a user may not read more of a process in a user namespace). The first process of the outer pid
 * namespace is a stage; when it dies the kernel ends everything inside, whatever that has done to hide.
 */
import { readdir, readFile } from "node:fs/promises";
import { setTimeout as delay } from "node:timers/promises";
import { CbError } from "../../core/errors.ts";

/** The first stage as it wrote itself down: what no other process has in common with it, also when its id is used again. */
export interface Supervisor {
  readonly pid: number;
  /** In clock ticks since boot, a hundredth of a second each (proc(5): starttime, USER_HZ). */
  readonly startTicks: number;
  readonly bootId: string;
}

/** All stages start within a second; a minute covers a machine that swaps. */
const STAGES_START_TICKS = 60 * 100;
/** Killed processes are gone within milliseconds; ten seconds cover a machine that swaps. */
const END_TIMEOUT_MS = 10_000;
/** How often /proc is looked at meanwhile. A process that is not our child raises no event. */
const LOOK_AGAIN_MS = 5;

/** From the first stage's line: "PID START-TICKS BOOT-ID". `undefined` for anything else. */
export function parseSupervisor(line: string): Supervisor | undefined {
  const [, pid, startTicks, bootId] = /^(\d+) (\d+) ([0-9a-f-]+)\n$/.exec(line) ?? [];
  if (pid === undefined || bootId === undefined) return undefined;
  return { pid: Number(pid), startTicks: Number(startTicks), bootId };
}

export async function isAlive(keeper: Supervisor): Promise<boolean> {
  if (keeper.bootId !== (await bootId())) return false;
  const stat = await readStat(keeper.pid);
  return stat !== undefined && stat.startTicks === keeper.startTicks;
}

/**
 * The living processes of a sandbox's stages, and of what runs inside unless it made a session of its own. That their
 * session is the keeper's is not enough after its death: another daemon's session may have got the number since.
 */
export async function processesOf(keeper: Supervisor): Promise<number[]> {
  if (keeper.bootId !== (await bootId())) return [];
  const pids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name)).map(Number);
  const stats = await Promise.all(pids.map(readStat));
  const latest = keeper.startTicks + STAGES_START_TICKS;
  return pids.filter((_pid, index) => {
    const stat = stats[index];
    return stat?.session === keeper.pid && stat.startTicks >= keeper.startTicks && stat.startTicks <= latest;
  });
}

/** Kills all of a sandbox and resolves when nothing is left. Throws CbError "infrastructure" if something stays. */
export async function endProcessesOf(keeper: Supervisor): Promise<void> {
  const giveUpAtMs = performance.now() + END_TIMEOUT_MS;
  for (;;) {
    const pids = await processesOf(keeper);
    if (pids.length === 0) return;
    for (const pid of pids) kill(pid);
    if (performance.now() > giveUpAtMs) {
      throw new CbError("infrastructure", `processes of a sandbox do not end: ${pids.join(", ")}`, {
        hint: "they may hang in the kernel, on a disk or a file server that does not answer: see `ps -o pid,stat,wchan`",
      });
    }
    await delay(LOOK_AGAIN_MS);
  }
}

/** `undefined` if it is gone, or a zombie that its parent has not noticed. */
async function readStat(pid: number): Promise<{ session: number; startTicks: number } | undefined> {
  const stat = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => undefined);
  if (stat === undefined) return undefined;
  // After the name, which may hold anything, come the third field, state, and the rest (proc(5)).
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  if (fields[0] === "Z" || fields[0] === "X") return undefined;
  return { session: Number(fields[6 - 3]), startTicks: Number(fields[22 - 3]) };
}

async function bootId(): Promise<string> {
  return (await readFile("/proc/sys/kernel/random/boot_id", "utf8")).trim();
}

function kill(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // It ended by itself; the next look decides.
  }
}
