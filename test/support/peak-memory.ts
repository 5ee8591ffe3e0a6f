/** Measures the peak memory of a stack's programs while they run, as the kernel counts it. */
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import * as assert from "uvu/assert";
import { runningPid } from "../../infra/local/daemon.ts";
import { findNatsServer } from "../../infra/nats/server.ts";
import { readSupervisor } from "../../lib/provider/sandbox/folder.ts";
import { processesOf } from "../../lib/provider/sandbox/processes.ts";
import type { Stack } from "./stack.ts";

/** VmHWM never falls, so samples may be far apart. A rise between the last sample and the end of a process is missed. */
const SAMPLE_MS = 200;

export interface Peak {
  /** VmHWM of proc(5): the peak of resident memory, anonymous memory and mapped files together. */
  readonly residentKib: number;
  /** The highest sample of anonymous memory (RssAnon), which the program has allocated itself. */
  readonly anonymousKib: number;
}

/** The limit of each program's peak, in MB (10^6 bytes). It does not depend on the size of an image. */
const LIMITS: Readonly<Record<string, number>> = { client: 150, agent: 150, queue: 150, "nats-server": 250 };

/** Prints the measured peaks. Fails when a program exceeded its limit or was never found. */
export function assertPeaks(peaks: ReadonlyMap<string, Peak>): void {
  for (const [kind, limitMb] of Object.entries(LIMITS)) {
    const peak = peaks.get(kind);
    if (peak === undefined) throw new Error(`${kind} was not found`);
    const [resident, anonymous] = [Math.round(peak.residentKib / 1024), Math.round(peak.anonymousKib / 1024)];
    const text = `${kind}: ${resident} MiB at its peak, ${anonymous} MiB anonymous`;
    process.stderr.write(`${text}\n`);
    assert.ok(peak.residentKib * 1024 < limitMb * 1e6, text);
  }
}

/** Returns the ids of the running processes of one kind. */
export type Find = () => Promise<readonly number[]>;

export class PeakMemory {
  readonly #kinds: Readonly<Record<string, Find>>;
  readonly #peaks = new Map<string, Peak>();
  /** The sample in progress: on a loaded machine one may take longer than SAMPLE_MS. */
  #sampling: Promise<void> | undefined;
  readonly #timer: NodeJS.Timeout;

  /** Samples all kinds until `stop`. */
  constructor(kinds: Readonly<Record<string, Find>>) {
    this.#kinds = kinds;
    this.#timer = setInterval(() => {
      this.#sampling ??= this.#sample().finally(() => {
        this.#sampling = undefined;
      });
    }, SAMPLE_MS);
  }

  /** Returns the largest process of each kind. A kind that was never found is missing. */
  async stop(): Promise<ReadonlyMap<string, Peak>> {
    clearInterval(this.#timer);
    await this.#sampling;
    await this.#sample();
    return this.#peaks;
  }

  async #sample(): Promise<void> {
    for (const [kind, find] of Object.entries(this.#kinds)) {
      for (const pid of await find()) {
        const status = await readFile(`/proc/${pid}/status`, "utf8").catch(() => "");
        const before = this.#peaks.get(kind) ?? { residentKib: 0, anonymousKib: 0 };
        this.#peaks.set(kind, {
          residentKib: Math.max(before.residentKib, field(status, "VmHWM")),
          anonymousKib: Math.max(before.anonymousKib, field(status, "RssAnon")),
        });
      }
    }
  }
}

/** 0 for a process that is exiting: it has no memory any more. */
const field = (status: string, name: string): number =>
  Number(new RegExp(`^${name}:\\s+(\\d+) kB`, "m").exec(status)?.[1] ?? 0);

/** Finds the daemons of a stack and its agents. `queue` returns the process id of a queue that the test runs itself. */
export function daemonsOf(
  stack: Stack,
  queue?: () => number | undefined,
): Record<"agent" | "queue" | "nats-server", Find> {
  const sandboxes = stack.statePath("sandboxes");
  return {
    agent: async () => {
      const folders = await readdir(sandboxes).catch(() => []);
      const supervisors = await Promise.all(folders.map((folder) => readSupervisor(join(sandboxes, folder))));
      const known = supervisors.filter((supervisor) => supervisor !== undefined);
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
