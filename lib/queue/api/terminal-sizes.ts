/** `queue.resize.<user>`: the size of the caller's terminal, sent on to the builder as the reply to its agent's request. */

import { CbError } from "../../core/errors.ts";
import type { ResizeRequest } from "../../protocol/build-messages.ts";
import type { AgentReply } from "../../protocol/builder-messages.ts";
import type { Builds } from "../builds/builds.ts";
import type { ParkedRequests } from "../leases/parked-requests.ts";

export class TerminalSizes {
  readonly #builds: Builds;
  readonly #parked: ParkedRequests;
  /**
   * The newest size that was not sent to the builder yet, by build. Kept in memory alone: a size that is lost with the
   * queue only spoils the layout of the output.
   */
  readonly #sizes = new Map<string, ResizeRequest["terminal"]>();

  constructor(builds: Builds, parked: ParkedRequests) {
    this.#builds = builds;
    this.#parked = parked;
  }

  /** Throws CbError "usage" unless the user has a build of that id with a terminal. */
  async resize(user: string, { build, terminal }: ResizeRequest): Promise<{ v: 1 }> {
    const record = this.#builds.get(build);
    if (record?.user !== user || record.terminal === undefined) {
      throw new CbError("usage", `you have no build ${build} with a terminal`);
    }
    if (record.state === "ended") return { v: 1 };
    this.#sizes.set(build, terminal);
    const { builder = "" } = record;
    if (this.#parked.get(builder)?.state === "building") this.#parked.reply(builder, this.takeOrder(build));
    return { v: 1 };
  }

  /** The order for the builder, which is then forgotten here; `none` when there is no new size. */
  takeOrder(build: string): AgentReply {
    const terminal = this.#sizes.get(build);
    this.#sizes.delete(build);
    return terminal === undefined ? { v: 1, order: "none" } : { v: 1, order: "resize", terminal };
  }

  has(build: string): boolean {
    return this.#sizes.has(build);
  }

  /** Forgets the sizes of builds that have ended. */
  forgetEnded(): void {
    for (const build of [...this.#sizes.keys()]) {
      const state = this.#builds.get(build)?.state;
      if (state === undefined || state === "ended") this.#sizes.delete(build);
    }
  }
}
