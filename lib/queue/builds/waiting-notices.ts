/** Tells each waiting caller its place and the reason, when one of them has changed. */
import type { Pool } from "../../pool/pool.ts";
import type { Leases } from "../leases/leases.ts";
import type { LostBuilders } from "../leases/lost-builders.ts";
import type { QueuePorts } from "../ports.ts";
import { explain, type PoolOutlook } from "./explain.ts";

const outlook = (name: string, pool: Pool): PoolOutlook => {
  const { booting, active, totalMax, reason: why } = pool.status();
  return { name, booting: booting.length, leased: active.length, max: totalMax, why };
};

export class WaitingNotices {
  readonly #ports: QueuePorts;
  readonly #leases: Leases;
  readonly #lost: LostBuilders;
  /** What was said last, by build: a restarted queue says it once more. */
  readonly #said = new Map<string, string>();

  constructor(ports: QueuePorts, leases: Leases, lost: LostBuilders) {
    this.#ports = ports;
    this.#leases = leases;
    this.#lost = lost;
  }

  async tell(): Promise<void> {
    const { builds, pools, limits } = this.#ports;
    const waiting = this.#lost.waiting();
    for (const [name, pool] of pools) pool.setWaiting(waiting.filter((one) => one.pool === name).length);
    const outlooks = [...pools].map(([name, pool]) => outlook(name, pool));
    const explanations = explain({
      waiting,
      pools: outlooks,
      leasedByUser: builds.leasedByUser(),
      leasedPerUser: limits.leasedPerUser,
    });
    const ids = new Set(waiting.map(({ build }) => build));
    this.#forgetAllBut(ids);
    this.#leases.forgetAllBut(ids);
    for (const { build, position, reason: usual } of explanations) {
      const reason = this.#leases.heldBack(build) ?? usual;
      const words = `${position} ${reason}`;
      if (this.#said.get(build) === words) continue;
      this.#said.set(build, words);
      await this.#say(build, position, reason);
    }
  }

  /** A stream that a builder has filled keeps no other caller from being told. */
  async #say(build: string, position: number, reason: string): Promise<void> {
    const { streams, log } = this.#ports;
    try {
      await streams.say(build, { v: 1, state: "queued", position, reason });
    } catch (error) {
      this.#said.delete(build);
      log.warn({ err: error, build }, "a caller could not be told of its place; the next tick tries again");
    }
  }

  #forgetAllBut(waiting: ReadonlySet<string>): void {
    for (const build of [...this.#said.keys()]) if (!waiting.has(build)) this.#said.delete(build);
  }
}
