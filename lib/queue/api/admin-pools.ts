/** `admin.drain-pool`, `admin.undrain-pool`, `admin.hold-builder`, `admin.release-builder`. */
import type { Clock } from "../../core/clock.ts";
import { CbError } from "../../core/errors.ts";
import type { Logger } from "../../core/log.ts";
import type { Pool } from "../../pool/pool.ts";
import type { Builds } from "../builds/builds.ts";
import type { Drains } from "../leases/drains.ts";

export interface AdminPoolsOptions {
  readonly pools: ReadonlyMap<string, Pool>;
  readonly drains: Drains;
  readonly builds: Builds;
  readonly clock: Clock;
  readonly log: Logger;
}

/** Each method throws CbError "usage" for an unknown pool or builder, and "infrastructure" without NATS. */
export class AdminPools {
  readonly #options: AdminPoolsOptions;

  constructor(options: AdminPoolsOptions) {
    this.#options = options;
  }

  async drain(
    operator: string,
    request: { pool: string; reason: string },
  ): Promise<{ v: 1; leased: number; waiting: number }> {
    const { drains, builds, log } = this.#options;
    const { pool, reason } = request;
    await drains.drain(operator, request);
    log.warn({ operator, pool, reason }, "an operator drained a pool");
    const of = (records: ReturnType<Builds["all"]>) => records.filter((record) => record.pool === pool).length;
    return { v: 1, leased: of(builds.leased()), waiting: of(builds.waiting()) };
  }

  async undrain(operator: string, { pool }: { pool: string }): Promise<{ v: 1 }> {
    await this.#options.drains.undrain(pool);
    this.#options.log.warn({ operator, pool }, "an operator uses a drained pool again");
    return { v: 1 };
  }

  async hold(
    operator: string,
    { builder, forMs, reason }: { builder: string; forMs: number; reason: string },
  ): Promise<{ v: 1; pool: string; untilMs: number }> {
    const { clock, log } = this.#options;
    const [pool, { holds }] = this.#poolOf(builder);
    const untilMs = clock.nowMs() + forMs;
    await holds.hold(builder, { operator, reason, untilMs });
    log.warn({ operator, builder, pool, reason, untilMs }, "an operator holds a builder");
    return { v: 1, pool, untilMs };
  }

  async release(operator: string, { builder }: { builder: string }): Promise<{ v: 1; pool: string }> {
    const [pool, { holds }] = this.#poolOf(builder);
    await holds.release(builder, operator);
    this.#options.log.warn({ operator, builder, pool }, "an operator released a builder");
    return { v: 1, pool };
  }

  #poolOf(builder: string): [string, Pool] {
    const found = [...this.#options.pools].find(([, pool]) => pool.builder(builder) !== undefined);
    if (found !== undefined) return found;
    throw new CbError("usage", `no pool has a builder ${builder}`, {
      hint: "list the builders with: cb-admin builders",
    });
  }
}
