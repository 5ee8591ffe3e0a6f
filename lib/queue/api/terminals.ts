/** Sizes of callers' terminals on their way to the builders, which hear of them as answers to their own questions. */

import { CbError } from "../../core/errors.ts";
import type { ResizeRequest } from "../../protocol/build-messages.ts";
import type { AgentReply } from "../../protocol/builder-messages.ts";
import type { QueuePorts } from "../ports.ts";

export class Terminals {
  readonly #ports: QueuePorts;
  /** The newest size that no builder knows yet, by build; lost with the queue, as it is only about looks. */
  readonly #sizes = new Map<string, ResizeRequest["terminal"]>();

  constructor(ports: QueuePorts) {
    this.#ports = ports;
  }

  /** Throws CbError "usage" for what is no build of this user that has a terminal. */
  async resize(user: string, { build, terminal }: ResizeRequest): Promise<{ v: 1 }> {
    const record = this.#ports.builds.get(build);
    if (record?.user !== user || record.terminal === undefined) {
      throw new CbError("usage", `no build ${build} of yours with a terminal is known`);
    }
    if (record.state === "ended") return { v: 1 };
    this.#sizes.set(build, terminal);
    const { builder = "" } = record;
    if (this.#ports.parked.get(builder)?.state === "building") this.#ports.parked.answer(builder, this.orderFor(build));
    return { v: 1 };
  }

  /** What the builder of this build is to be told, once; `none` is the order to ask again. */
  orderFor(build: string): AgentReply {
    const terminal = this.#sizes.get(build);
    this.#sizes.delete(build);
    return terminal === undefined ? { v: 1, order: "none" } : { v: 1, order: "resize", terminal };
  }

  has(build: string): boolean {
    return this.#sizes.has(build);
  }

  /** Forgets what is held for builds that have ended. */
  forgetEnded(): void {
    for (const build of [...this.#sizes.keys()]) {
      const state = this.#ports.builds.get(build)?.state;
      if (state === undefined || state === "ended") this.#sizes.delete(build);
    }
  }
}
