/**
 * Finding and ending the processes of a sandbox, from outside and after a restart.
 *
 * Every process between the host and the sandbox's inside carries its id in the environment it was started with. That
 * tells a reused process id from ours, and finds what a half-made sandbox left. The first process of the outer pid
 * namespace is among them; when it dies the kernel ends everything inside, whatever that has done to hide.
 */
import { readdir, readFile } from "node:fs/promises";
import { setTimeout as delay } from "node:timers/promises";
import { CbError } from "../../errors.ts";

/** The variable that carries the id. */
export const MARKER = "CB_SANDBOX";

/** Killed processes are gone within milliseconds; ten seconds cover a machine that swaps. */
const END_TIMEOUT_MS = 10_000;
/** How often /proc is looked at meanwhile. A process that is not our child raises no event. */
const LOOK_AGAIN_MS = 5;

/** Whether this process exists, is no zombie, and belongs to this sandbox. */
export async function isProcessOf(pid: number, id: string): Promise<boolean> {
  try {
    const environment = await readFile(`/proc/${pid}/environ`, "latin1");
    return environment.split("\0").includes(`${MARKER}=${id}`);
  } catch {
    // Gone meanwhile, or somebody else's.
    return false;
  }
}

export async function processesOf(id: string): Promise<number[]> {
  const pids = await allProcesses();
  const ours = await Promise.all(pids.map((pid) => isProcessOf(pid, id)));
  return pids.filter((_pid, index) => ours[index]);
}

/**
 * Kills all of a sandbox and resolves when nothing is left. `keeper` is the process id of the first stage, from its
 * folder; it leads the session of all of them. Throws CbError "infrastructure" if something stays.
 */
export async function endProcessesOf(id: string, keeper: () => Promise<number>): Promise<void> {
  const giveUpAtMs = performance.now() + END_TIMEOUT_MS;
  for (;;) {
    // Asked before the look: what starts after it is seen by the next one, as its parent was still there in this one.
    const unsettled = await unsettledIn(await keeper());
    const pids = await processesOf(id);
    if (pids.length === 0 && !unsettled) return;
    for (const pid of pids) kill(pid);
    if (performance.now() > giveUpAtMs) {
      throw new CbError("infrastructure", `processes of sandbox ${id} do not end: ${pids.join(", ")}`, {
        hint: "they may hang in the kernel, on a disk or a file server that does not answer: see `ps -o pid,stat,wchan`",
      });
    }
    await delay(LOOK_AGAIN_MS);
  }
}

/** Whether a process of this session is just being started: in the middle of exec(2) it shows no environment to know it by. */
async function unsettledIn(session: number): Promise<boolean> {
  if (session === 0) return false;
  const looks = (await allProcesses()).map(async (pid) => {
    const stat = await readFile(`/proc/${pid}/stat`, "utf8");
    // After the name, which may hold anything: state, parent, group, session (proc(5)).
    const [state, , , itsSession] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    if (Number(itsSession) !== session || state === "Z" || state === "X") return false;
    return (await readFile(`/proc/${pid}/environ`)).length === 0;
  });
  return (await Promise.allSettled(looks)).some((look) => look.status === "fulfilled" && look.value);
}

async function allProcesses(): Promise<number[]> {
  return (await readdir("/proc")).filter((name) => /^\d+$/.test(name)).map(Number);
}

function kill(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // It ended by itself; the next look decides.
  }
}
