/** The metrics that show a state: they are read from the records of queue and pools when Prometheus asks for them. */
import type { Registry } from "../../core/metrics.ts";
import type { Pool } from "../../pool/pool.ts";
import type { ProviderLimit } from "../../provider/provider.ts";
import type { Builds } from "../builds/builds.ts";
import type { Expiry } from "./expiry.ts";
import type { Readiness } from "./readiness.ts";

/** JetStream's storage in bytes, as nats-server reports it for the account CORE. */
export interface StorageUse {
  readonly usedBytes: number;
  /** The sum of all streams' `max_bytes`. */
  readonly reservedBytes: number;
  /** Undefined: the account has no limit of its own. The server's limit is not visible to an account. */
  readonly limitBytes: number | undefined;
}

export interface StateMetricsOptions {
  readonly registry: Registry;
  readonly readiness: Readiness;
}

/** The records, once they are read. */
export interface QueueState {
  readonly pools: ReadonlyMap<string, Pool>;
  readonly builds: Builds;
}

export class StateMetrics {
  readonly #gauges: ReturnType<typeof gaugesIn>;
  readonly #readiness: Readiness;

  constructor({ registry, readiness }: StateMetricsOptions) {
    this.#gauges = gaugesIn(registry);
    this.#readiness = readiness;
  }

  /** `state`: undefined while the queue starts. */
  update(state: QueueState | undefined, nowMs: number): void {
    const { ready, connected } = this.#gauges;
    ready.set(this.#readiness.reasons().length === 0 ? 1 : 0);
    for (const [connection, isUp] of this.#readiness.connections()) connected.set(isUp ? 1 : 0, { connection });
    if (state === undefined) return;
    this.#updatePools(state.pools);
    this.#updateBuilds(state, nowMs);
  }

  setExpiries(expiries: readonly Expiry[]): void {
    const { certificates } = this.#gauges;
    certificates.clear();
    for (const { kind, endsAtMs } of expiries) certificates.set(endsAtMs / 1000, { certificate: kind });
  }

  setStorage({ usedBytes, reservedBytes, limitBytes }: StorageUse): void {
    const { storageUsed, storageReserved, storageLimit } = this.#gauges;
    storageUsed.set(usedBytes);
    storageReserved.set(reservedBytes);
    storageLimit.clear();
    if (limitBytes !== undefined) storageLimit.set(limitBytes);
  }

  setQuota(pool: string, limits: readonly ProviderLimit[]): void {
    for (const { unit, used, max } of limits) {
      this.#gauges.quotaUsed.set(used, { pool, resource: unit });
      if (max !== undefined) this.#gauges.quotaLimit.set(max, { pool, resource: unit });
    }
  }

  #updatePools(pools: ReadonlyMap<string, Pool>): void {
    const { builders, target, max, drained } = this.#gauges;
    for (const [name, pool] of pools) {
      const status = pool.status();
      builders.set(status.booting.length, { pool: name, state: "booting" });
      builders.set(status.reserve.length, { pool: name, state: "ready" });
      builders.set(status.active.length, { pool: name, state: "leased" });
      builders.set(status.destroying.length, { pool: name, state: "destroying" });
      builders.set(status.held.length, { pool: name, state: "held" });
      drained.set(status.drained === undefined ? 0 : 1, { pool: name });
      target.set(status.reserveTarget, { pool: name });
      max.set(status.totalMax, { pool: name });
    }
  }

  #updateBuilds({ pools, builds }: QueueState, nowMs: number): void {
    const all = builds.all();
    const waiting = builds.waiting();
    for (const pool of pools.keys()) {
      const count = (state: string) => all.filter((build) => build.pool === pool && build.state === state).length;
      for (const state of ["waiting", "leased", "ended"]) this.#gauges.builds.set(count(state), { pool, state });
      const oldest = waiting.find((build) => build.pool === pool);
      const oldestMs = oldest === undefined ? 0 : Math.max(0, nowMs - (oldest.loss?.atMs ?? oldest.createdAtMs));
      this.#gauges.oldestWait.set(oldestMs / 1000, { pool });
    }
  }
}

function gaugesIn(registry: Registry) {
  const gauge = (text: string, help: string, ...labels: string[]) =>
    registry.gauge({ name: `container_builder_${text}`, help, labels });
  return {
    ready: gauge("ready", "1 when the queue takes builds; /readyz names each reason why not."),
    connected: gauge("nats_connected", "1 while the connection to NATS is up.", "connection"),
    builders: gauge("builders", "Builders by state; booting includes those that were only requested.", "pool", "state"),
    target: gauge("builders_reserve_target", "The number of ready builders that the pool keeps.", "pool"),
    drained: gauge("pool_drained", "1 while an operator has drained the pool.", "pool"),
    max: gauge("builders_max", "The most builders of the pool.", "pool"),
    builds: gauge(
      "builds",
      "Builds with a record, by state; waiting ones are the length of the queue.",
      "pool",
      "state",
    ),
    oldestWait: gauge("builds_oldest_wait_seconds", "Waiting time of the oldest waiting build.", "pool"),
    certificates: gauge("certificate_end_timestamp_seconds", "When it ends, in seconds since 1970.", "certificate"),
    storageUsed: gauge("jetstream_storage_used_bytes", "Storage that the streams of NATS use."),
    storageReserved: gauge("jetstream_storage_reserved_bytes", "Storage that NATS has reserved for its streams."),
    storageLimit: gauge("jetstream_storage_limit_bytes", "The most storage that NATS may use."),
    quotaUsed: gauge("provider_quota_used", "The use of a quota of the cloud.", "pool", "resource"),
    quotaLimit: gauge("provider_quota_limit", "A quota of the cloud; absent when it is unlimited.", "pool", "resource"),
  };
}
