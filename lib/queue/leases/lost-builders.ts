/**
 * Builders that died under a build. The build is given another one, once, and not before the first is confirmed gone: its
 * credential is good for hours, and an agent that was only frozen would go on writing beside the new one.
 */

import { ATTEMPTS_MAX } from "../../protocol/build-messages.ts";
import type { Endings } from "../builds/endings.ts";
import type { BuildRecord, Loss } from "../builds/record.ts";
import { builderLost } from "../builds/transitions.ts";
import type { QueuePorts } from "../ports.ts";
import type { WaitingBuild } from "./match.ts";

/**
 * How long a build waits for a machine to go. Clouds delete within seconds, at worst some minutes, and an API that is
 * restarted is back by then; what still stands waits for an operator. A new build, with streams of its own, need not.
 */
const GONE_MAX_MS = 15 * 60_000;

/** What will not be finished, by whom, and why. */
interface Lost {
  readonly build: string;
  readonly builder: string;
  /** A part of a sentence. */
  readonly reason: string;
}

export class LostBuilders {
  readonly #ports: QueuePorts;
  readonly #endings: Endings;
  /** What happened while no queue ran, nobody could have confirmed. */
  readonly #startedMs: number;

  constructor(ports: QueuePorts, endings: Endings) {
    this.#ports = ports;
    this.#endings = endings;
    this.#startedMs = ports.clock.nowMs();
  }

  /**
   * The build waits again or, with its last attempt, ends as lost; nothing happens when it is not this builder's. The
   * build's record goes first: a queue that is killed after it finds a lease that its build knows nothing of.
   */
  async lose({ build, builder, reason }: Lost): Promise<void> {
    const { builds, pools, parked, clock, log } = this.#ports;
    const record = builds.get(build);
    if (record?.state !== "leased" || record.builder !== builder) return;
    const pool = pools.get(record.pool);
    const loss: Loss = {
      builder,
      atMs: clock.nowMs(),
      reason: `${nameOf(pool?.builder(builder)?.host, builder)} was lost: ${reason}`,
    };
    if (record.attempt >= ATTEMPTS_MAX) return this.#giveUp(record, loss);
    const waiting = await builds.change(build, (current) => builderLost(current, loss));
    if (waiting === undefined) return;
    log.warn({ build, builder, attempt: record.attempt, reason }, "a build lost its builder and waits for another");
    await pool?.release(builder, `lost: ${reason}`);
    parked.answer(builder, { v: 1, order: "stop", reason: "this builder has been given up" });
  }

  /** Finds what no event tells. Called again and again. */
  async look(): Promise<void> {
    await this.#noticeTaken();
    await this.#endUnconfirmed();
  }

  /** Leased builds whose builder the pool has let go, whoever told it to. */
  async #noticeTaken(): Promise<void> {
    const { builds, pools } = this.#ports;
    for (const { build, builder = "", pool } of builds.leased()) {
      const state = pools.get(pool)?.builder(builder)?.state;
      // The pool's record of a lease is written first, so it cannot be on its way.
      if (!pools.has(pool) || state === "leased") continue;
      await this.lose({ build, builder, reason: "it was taken away" });
    }
  }

  async #endUnconfirmed(): Promise<void> {
    const { builds, clock } = this.#ports;
    for (const record of builds.waiting()) {
      const { build, loss } = record;
      if (loss === undefined || this.#isGone(record)) continue;
      if (clock.nowMs() - Math.max(loss.atMs, this.#startedMs) < GONE_MAX_MS) continue;
      const reason = `${loss.reason}; its machine could not be confirmed gone within ${GONE_MAX_MS / 60_000} minutes`;
      await this.#endings.end(build, { v: 1, state: "lost", reason });
    }
  }

  /** The builds that wait, the oldest first, each with why it may not be given a builder yet. */
  waiting(): (BuildRecord & WaitingBuild)[] {
    return this.#ports.builds.waiting().map((record) => {
      if (record.loss === undefined || this.#isGone(record)) return record;
      return { ...record, awaitsGone: `${record.loss.reason}; waiting until it is gone` };
    });
  }

  #isGone({ pool, loss }: BuildRecord): boolean {
    const known = this.#ports.pools.get(pool);
    return known !== undefined && !known.mayRun(loss?.builder ?? "");
  }

  async #giveUp({ build, loss: first }: BuildRecord, second: Loss): Promise<void> {
    const before = first === undefined ? "" : `${first.reason}; then `;
    await this.#endings.end(build, { v: 1, state: "lost", reason: `${before}${second.reason}` });
  }
}

const nameOf = (host: string | undefined, builder: string): string =>
  `builder ${host === undefined || host === "" ? builder : host}`;
