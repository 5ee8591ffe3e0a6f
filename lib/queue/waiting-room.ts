/** Tells each waiting caller its place and the reason, when one of them has changed. */
import { explain } from "./explain.ts";
import type { QueuePorts } from "./ports.ts";

export class WaitingRoom {
  readonly #ports: QueuePorts;
  /** What was said last, by build: a restarted queue says it once more. */
  readonly #said = new Map<string, string>();

  constructor(ports: QueuePorts) {
    this.#ports = ports;
  }

  async tell(): Promise<void> {
    const { builds, pools, streams, limits } = this.#ports;
    const waiting = builds.waiting();
    const outlooks = [...pools].map(([name, pool]) => ({ name, ...pool.outlook() }));
    const explanations = explain({
      waiting,
      pools: outlooks,
      leasedByUser: builds.leasedByUser(),
      leasedPerUser: limits.leasedPerUser,
    });
    this.#forgetAllBut(new Set(waiting.map(({ build }) => build)));
    for (const { build, position, reason } of explanations) {
      const words = `${position} ${reason}`;
      if (this.#said.get(build) === words) continue;
      this.#said.set(build, words);
      await streams.say(build, { v: 1, state: "queued", position, reason });
    }
  }

  #forgetAllBut(waiting: ReadonlySet<string>): void {
    for (const build of [...this.#said.keys()]) if (!waiting.has(build)) this.#said.delete(build);
  }
}
