/**
 * `admin.builders`: every machine of every pool with the last lines of its console, within bounds of time and size;
 * `admin.destroy`: destroys one that is of another generation of records.
 */

import type { Clock } from "../../core/clock.ts";
import { CbError, messageOf } from "../../core/errors.ts";
import type { Pool } from "../../pool/pool.ts";
import { eachAtMost } from "../../pool/reconciler/limit.ts";
import type { Failure } from "../../pool/state/failures.ts";
import { type MachineView, machineViews } from "../../pool/views.ts";
import type { AdminBuilder, AdminFailure, BuildersReply } from "../../protocol/admin-messages.ts";
import { consoleLines } from "../../provider/console-lines.ts";
import type { Drains } from "../leases/drains.ts";

/** The most of all consoles together: half of the largest message (4 MiB), because JSON escapes make the text longer. */
const CONSOLES_BYTES = 2 * 1024 * 1024;
/** The most of one console: some screens of text. */
const CONSOLE_BYTES = 64 * 1024;
/** The longest wait for one console; a call to a cloud takes about a second. */
const CALL_MS = 5_000;
/** The longest wait for all consoles, since cb-admin waits for the reply; the remaining ones are left out. */
const CONSOLES_MS = 20_000;
const CALLS_AT_ONCE = 8;

type Pools = ReadonlyMap<string, Pool>;

export interface BuildersSource {
  readonly pools: Pools;
  readonly drains: Pick<Drains, "of">;
  readonly clock: Clock;
}

/** `lines`: the most lines of each console; 0 reads none. A failing provider is part of the reply. */
export async function listBuilders(source: BuildersSource, lines: number): Promise<BuildersReply> {
  const pools = await poolsWithConsoles(source, lines);
  return { v: 1, nowMs: source.clock.nowMs(), pools };
}

/** Resolves to the name of the machine's pool. Throws CbError "usage" for a machine that the pools may not destroy by name. */
export async function destroyByName(pools: Pools, builder: string): Promise<string> {
  const names = new Set(pools.keys());
  for (const [name, pool] of pools) if (await pool.machines.destroyOtherGeneration(builder, names)) return name;
  throw new CbError("usage", `no provider lists a machine ${builder} of this installation`, {
    hint: "list all machines with: cb-admin builders",
  });
}

async function poolsWithConsoles(
  { pools, drains, clock }: BuildersSource,
  lines: number,
): Promise<BuildersReply["pools"]> {
  const names = new Set(pools.keys());
  const shown = new Set<string>();
  const previews = await Promise.all(
    [...pools].map(async ([name, pool]) => ({ name, pool, ...(await pool.preview()) })),
  );
  const surveys = previews.map(({ name, pool, observed }) => {
    // Pools on one cloud list each other's machines: a machine that belongs to none of the pools is shown once.
    const machines = machineViews(observed, { pool: name, pools: names }).filter(({ builder }) => !shown.has(builder));
    for (const { builder } of machines) shown.add(builder);
    return { name, pool, problem: observed.problem, machines };
  });
  const consoles = new Consoles({ clock, lines, endMs: clock.nowMs() + CONSOLES_MS, machineCount: shown.size });
  const replies: BuildersReply["pools"] = [];
  for (const { name, pool, problem, machines } of surveys) {
    const failures = pool.failures().map((failure) => failureEntry(failure, lines));
    const drained = drains.of(name);
    replies.push({
      name,
      problem,
      ...(drained && { drained }),
      builders: await consoles.addTo(pool, machines),
      failures,
    });
  }
  return replies;
}

function failureEntry({ builder, atMs, reason, printed }: Failure, lines: number): AdminFailure {
  return { id: builder, atMs, reason, console: consoleLines(printed, lines) };
}

interface ConsoleLimits {
  readonly clock: Clock;
  readonly lines: number;
  readonly endMs: number;
  /** The machines among which `CONSOLES_BYTES` are divided. */
  readonly machineCount: number;
}

class Consoles {
  readonly #limits: ConsoleLimits;

  constructor(limits: ConsoleLimits) {
    this.#limits = limits;
  }

  async addTo(pool: Pool, machines: readonly MachineView[]): Promise<AdminBuilder[]> {
    const builders = new Map<string, AdminBuilder>();
    await eachAtMost(machines, CALLS_AT_ONCE, async ({ builder, ...details }) => {
      builders.set(builder, { id: builder, ...details, ...(await this.#read(pool, builder, details.machine)) });
    });
    return machines.flatMap(({ builder }) => builders.get(builder) ?? []);
  }

  async #read(
    pool: Pool,
    builder: string,
    machine: MachineView["machine"],
  ): Promise<Pick<AdminBuilder, "console" | "consoleProblem">> {
    const { clock, lines, endMs, machineCount } = this.#limits;
    if (lines === 0 || machine === "none") return { console: [] };
    const leftMs = endMs - clock.nowMs();
    if (leftMs <= 0)
      return { console: [], consoleProblem: `not read: the other consoles took ${CONSOLES_MS / 1000} s` };
    const maxBytes = Math.min(CONSOLE_BYTES, Math.floor(CONSOLES_BYTES / machineCount));
    try {
      const printed = await pool.machines.console(builder, maxBytes, Math.min(CALL_MS, leftMs));
      return { console: consoleLines(printed.subarray(-maxBytes), lines) };
    } catch (error) {
      return { console: [], consoleProblem: messageOf(error) };
    }
  }
}
