/** Every machine of every pool with what it printed last, within bounds of time and size. */

import type { Clock } from "../../core/clock.ts";
import { messageOf } from "../../core/errors.ts";
import type { Pool } from "../../pool/pool.ts";
import { eachAtMost } from "../../pool/reconciler/limit.ts";
import type { Failure } from "../../pool/state/failures.ts";
import { type MachineView, machineViews } from "../../pool/views.ts";
import type { AdminBuilder, AdminFailure, BuildersReply } from "../../protocol/admin-messages.ts";
import { consoleLines } from "../../provider/console-lines.ts";

/** All consoles together: half of a message, since JSON makes more of them. */
const CONSOLES_BYTES = 2 * 1024 * 1024;
/** Of one machine, at most: what an operator reads on some screens. */
const CONSOLE_BYTES = 64 * 1024;
/** One call to a cloud takes a second; cb-admin waits for all of them, so the last ones are left out. */
const CALL_MS = 5_000;
const CONSOLES_MS = 20_000;
const CALLS_AT_ONCE = 8;

type Pools = ReadonlyMap<string, Pool>;

export async function machinesOf(pools: Pools, clock: Clock, lines: number): Promise<BuildersReply["pools"]> {
  const names = new Set(pools.keys());
  const shown = new Set<string>();
  const previews = await Promise.all(
    [...pools].map(async ([name, pool]) => ({ name, pool, ...(await pool.preview()) })),
  );
  const surveys = previews.map(({ name, pool, observed: seen }) => {
    // Pools on one cloud list each other's machines: one that belongs to none of them is shown once.
    const found = machineViews(seen, { pool: name, pools: names }).filter(({ builder }) => !shown.has(builder));
    for (const { builder } of found) shown.add(builder);
    return { name, pool, problem: seen.problem, found };
  });
  const read = new Consoles({ clock, lines, endMs: clock.nowMs() + CONSOLES_MS, machines: shown.size });
  const replies: BuildersReply["pools"] = [];
  for (const { name, pool, problem, found } of surveys) {
    const failures = pool.failures().map((failure) => failureOf(failure, lines));
    replies.push({ name, problem, builders: await read.of(pool, found), failures });
  }
  return replies;
}

function failureOf({ builder, atMs, reason, printed }: Failure, lines: number): AdminFailure {
  return { id: builder, atMs, reason, console: consoleLines(printed, lines) };
}

interface Reading {
  readonly clock: Clock;
  readonly lines: number;
  readonly endMs: number;
  readonly machines: number;
}

class Consoles {
  readonly #reading: Reading;

  constructor(reading: Reading) {
    this.#reading = reading;
  }

  async of(pool: Pool, found: readonly MachineView[]): Promise<AdminBuilder[]> {
    const builders = new Map<string, AdminBuilder>();
    await eachAtMost(found, CALLS_AT_ONCE, async ({ builder, ...about }) => {
      builders.set(builder, { id: builder, ...about, ...(await this.#printed(pool, builder, about.machine)) });
    });
    return found.flatMap(({ builder }) => builders.get(builder) ?? []);
  }

  async #printed(
    pool: Pool,
    builder: string,
    machine: MachineView["machine"],
  ): Promise<Pick<AdminBuilder, "console" | "consoleProblem">> {
    const { clock, lines, endMs, machines } = this.#reading;
    if (lines === 0 || machine === "none") return { console: [] };
    const leftMs = endMs - clock.nowMs();
    if (leftMs <= 0) return { console: [], consoleProblem: "not read: the others took too long" };
    const maxBytes = Math.min(CONSOLE_BYTES, Math.floor(CONSOLES_BYTES / machines));
    try {
      const printed = await pool.console(builder, maxBytes, Math.min(CALL_MS, leftMs));
      return { console: consoleLines(printed.subarray(-maxBytes), lines) };
    } catch (error) {
      return { console: [], consoleProblem: messageOf(error) };
    }
  }
}
