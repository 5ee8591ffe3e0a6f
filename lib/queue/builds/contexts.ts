/** Contexts on their way into their buckets: told to be whole, or given up when nothing comes any more. */

import { CbError } from "../../core/errors.ts";
import { unknownBuild } from "../api/own-builds.ts";
import type { QueuePorts } from "../ports.ts";
import type { Endings } from "./endings.ts";
import type { BuildRecord } from "./record.ts";
import { contextCame } from "./transitions.ts";

/** Each look is a question to JetStream for each context on its way. */
const LOOK_MS = 5_000;
/** What counts as passed between two looks: more is a clock that was set, or a queue that stood still, and no caller's fault. */
const PASSED_MAX_MS = 2 * LOOK_MS;

interface Progress {
  readonly bytes: number;
  /** For so long nothing came. */
  readonly stillMs: number;
}

export class Contexts {
  readonly #ports: QueuePorts;
  readonly #endings: Endings;
  readonly #onWhole: () => void;
  /** By build. A queue that has just started grants each the whole time again. */
  #progress = new Map<string, Progress>();
  #lookedAtMs = Number.NEGATIVE_INFINITY;

  constructor(ports: QueuePorts, endings: Endings, onWhole: () => void) {
    this.#ports = ports;
    this.#endings = endings;
    this.#onWhole = onWhole;
  }

  /** The caller's word is checked: a build without its files would fail an hour later. Throws CbError "usage". */
  async sent(user: string, { build }: { build: string }): Promise<{ v: 1 }> {
    const { builds, streams, log } = this.#ports;
    const record = builds.get(build);
    if (record?.user !== user) throw unknownBuild(build);
    if (record.state !== "waiting" || !record.awaitsContext) return { v: 1 };
    const context = await streams.contextOf(build);
    if (context === undefined) throw new CbError("usage", `the context of build ${build} is not whole`);
    await builds.change(build, contextCame);
    log.info({ build, bytes: context.sizeBytes }, "context is whole");
    this.#onWhole();
    return { v: 1 };
  }

  /** Ends the builds whose callers have stopped sending. */
  async dropStalled(): Promise<void> {
    const { builds, clock } = this.#ports;
    const nowMs = clock.nowMs();
    const passedMs = Math.abs(nowMs - this.#lookedAtMs);
    if (passedMs < LOOK_MS) return;
    this.#lookedAtMs = nowMs;
    const progress = new Map<string, Progress>();
    for (const record of builds.waiting()) {
      if (!record.awaitsContext) continue;
      const now = await this.#look(record, Math.min(passedMs, PASSED_MAX_MS));
      if (now !== undefined) progress.set(record.build, now);
    }
    this.#progress = progress;
  }

  async #look({ build }: BuildRecord, passedMs: number): Promise<Progress | undefined> {
    const { streams, limits } = this.#ports;
    const before = this.#progress.get(build);
    const bytes = (await streams.bucketBytes(build)) ?? 0;
    if (before === undefined || bytes !== before.bytes) return { bytes, stillMs: 0 };
    const stillMs = before.stillMs + passedMs;
    if (stillMs < limits.contextMs) return { bytes, stillMs };
    const reason = `nothing more of its files came for ${Math.round(limits.contextMs / 1000)} s`;
    await this.#endings.end(build, { v: 1, state: "lost", reason });
    return undefined;
  }
}
