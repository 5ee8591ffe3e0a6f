/** What programs of a stack took of memory at their peak, as the kernel counted it, while they ran. */
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import * as assert from "uvu/assert";
import { runningPid } from "../../infra/local/daemon.ts";
import { findNatsServer } from "../../infra/nats/server.ts";
import { readSupervisor } from "../../lib/provider/sandbox/folder.ts";
import { processesOf } from "../../lib/provider/sandbox/processes.ts";
import type { Stack } from "./stack.ts";

/** VmHWM only rises, so looks may be far apart; what a process takes in its last moments before it ends is not seen. */
const LOOK_MS = 200;

export interface Peak {
  /** VmHWM of proc(5): the most that was resident at any time, its own memory and mapped files together. */
  readonly residentKib: number;
  /** The most that a look found of its own memory (RssAnon), which is what it asked for. */
  readonly ownKib: number;
}

/** What each may take at its peak, in MB (10^6 bytes), whatever it moves. */
const LIMITS: Readonly<Record<string, number>> = { client: 150, agent: 150, queue: 150, "nats-server": 250 };

/** Says what was measured, and fails when a program took more than it may, or was never found. */
export function assertPeaks(peaks: ReadonlyMap<string, Peak>): void {
  for (const [kind, limitMb] of Object.entries(LIMITS)) {
    const peak = peaks.get(kind);
    if (peak === undefined) throw new Error(`${kind} was not found`);
    const [resident, own] = [Math.round(peak.residentKib / 1024), Math.round(peak.ownKib / 1024)];
    const text = `${kind}: ${resident} MiB at its peak, ${own} MiB its own`;
    process.stderr.write(`${text}\n`);
    assert.ok(peak.residentKib * 1024 < limitMb * 1e6, text);
  }
}

/** The processes of one kind that live now. */
export type Find = () => Promise<readonly number[]>;

export class PeakMemory {
  readonly #kinds: Readonly<Record<string, Find>>;
  readonly #peaks = new Map<string, Peak>();
  /** The look under way: on a loaded machine one takes longer than the time to the next. */
  #looking: Promise<void> | undefined;
  readonly #timer: NodeJS.Timeout;

  /** Looks at all kinds until `stop`. */
  constructor(kinds: Readonly<Record<string, Find>>) {
    this.#kinds = kinds;
    this.#timer = setInterval(() => {
      this.#looking ??= this.#look().finally(() => {
        this.#looking = undefined;
      });
    }, LOOK_MS);
  }

  /** The largest process of each kind. A kind that was never found is missing. */
  async stop(): Promise<ReadonlyMap<string, Peak>> {
    clearInterval(this.#timer);
    await this.#looking;
    await this.#look();
    return this.#peaks;
  }

  async #look(): Promise<void> {
    for (const [kind, find] of Object.entries(this.#kinds)) {
      for (const pid of await find()) {
        const status = await readFile(`/proc/${pid}/status`, "utf8").catch(() => "");
        const before = this.#peaks.get(kind) ?? { residentKib: 0, ownKib: 0 };
        this.#peaks.set(kind, {
          residentKib: Math.max(before.residentKib, field(status, "VmHWM")),
          ownKib: Math.max(before.ownKib, field(status, "RssAnon")),
        });
      }
    }
  }
}

/** A process that is ending has no memory any more. */
const field = (status: string, name: string): number =>
  Number(new RegExp(`^${name}:\\s+(\\d+) kB`, "m").exec(status)?.[1] ?? 0);

/** Where the daemons of a stack and its agents are found. `queue` where the test runs its own. */
export function daemonsOf(
  stack: Stack,
  queue?: () => number | undefined,
): Record<"agent" | "queue" | "nats-server", Find> {
  const sandboxes = stack.statePath("sandboxes");
  return {
    agent: async () => {
      const folders = await readdir(sandboxes).catch(() => []);
      const keepers = await Promise.all(folders.map((folder) => readSupervisor(join(sandboxes, folder))));
      const known = keepers.filter((keeper) => keeper !== undefined);
      const pids = (await Promise.all(known.map(processesOf))).flat();
      const areAgents = await Promise.all(pids.map(isAgent));
      return pids.filter((_pid, index) => areAgents[index]);
    },
    queue: async () => some(queue?.() ?? runningPid(stack.statePath("queue.pid"))),
    "nats-server": async () => some((await findNatsServer(stack.statePath("nats")))?.pid),
  };
}

const some = (pid: number | undefined): readonly number[] => (pid === undefined ? [] : [pid]);

async function isAgent(pid: number): Promise<boolean> {
  const [program = "", file = ""] = (await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "")).split("\0");
  return /node$/.test(program) && file.endsWith("/agent.mjs");
}
