/** The storage of NATS as the queue knows it: the free space, and the streams that do not answer or cannot be written. */
import type { Logger } from "../../core/log.ts";
import type { StreamHealth } from "../../nats/jetstream/stream-health.ts";
import type { StorageFigures } from "../../protocol/storage-figures.ts";

/** A reservation may decide on figures of this age; the stream itself is refused if they were wrong. */
const REFRESH_MS = 2_000;
/** A nats-server 2.9 with a full disk may keep each request in memory until it is restarted. */
const RETRY_MS = 30_000;

export interface StorageMonitorOptions {
  /** Undefined when NATS does not report them. */
  readonly read: () => Promise<StorageFigures | undefined>;
  readonly health: Pick<StreamHealth, "faults">;
  readonly log: Logger;
  /** Monotonic clock. */
  readonly nowMs?: () => number;
}

export class StorageMonitor {
  readonly #options: StorageMonitorOptions;
  #figures: StorageFigures | undefined;
  #dueAtMs = Number.NEGATIVE_INFINITY;

  constructor(options: StorageMonitorOptions) {
    this.#options = options;
  }

  /** Undefined before the first report, and while NATS does not report. */
  get figures(): StorageFigures | undefined {
    return this.#figures;
  }

  get faults(): string[] {
    return this.#options.health.faults();
  }

  /** Called at each tick; reads the figures when they are due. Never throws. */
  async refresh(): Promise<void> {
    const { read, log, nowMs = () => performance.now() } = this.#options;
    if (nowMs() < this.#dueAtMs) return;
    const before = this.#figures;
    this.#figures = await read().catch(() => undefined);
    this.#dueAtMs = nowMs() + (this.#figures === undefined ? RETRY_MS : REFRESH_MS);
    if (before !== undefined && this.#figures === undefined) log.warn("NATS no longer reports its storage");
  }
}
