/** The builders of all pools, as the queue leases and releases them. */
import type { HeartbeatResult, Pool } from "../../pool/pool.ts";
import type { BuilderView } from "../../pool/views.ts";
import type { AgentRequest } from "../../protocol/builder-messages.ts";
import type { FreeBuilder } from "./match.ts";
import type { ParkedRequests } from "./parked-requests.ts";

/** A builder and the name of its pool. */
export interface BuilderRef {
  readonly pool: string;
  readonly builder: string;
}

export class BuilderLeases {
  readonly #pools: ReadonlyMap<string, Pool>;
  readonly #parked: ParkedRequests;

  constructor(pools: ReadonlyMap<string, Pool>, parked: ParkedRequests) {
    this.#pools = pools;
    this.#parked = parked;
  }

  /** Records that the agent has asked. At most one pool has a record of the builder. */
  async heartbeat(request: AgentRequest): Promise<HeartbeatResult> {
    let result: HeartbeatResult = { alive: false, reason: "no such builder" };
    for (const pool of this.#pools.values()) {
      result =
        request.state === "ready"
          ? await pool.heartbeat(request.builder, "idle", request.builderImage)
          : await pool.heartbeat(request.builder, "busy");
      if (result.alive || result.isHeld) return result;
    }
    return result;
  }

  /** Ready builders with a parked `ready` request of their agent; the longest ready first. */
  free(): FreeBuilder[] {
    const parked = new Set(this.#parked.ready().map(({ builder }) => builder));
    return [...this.#pools].flatMap(([name, pool]) =>
      pool.readyBuilders().flatMap(({ builder }) => (parked.has(builder) ? [{ builder, pool: name }] : [])),
    );
  }

  /** The ids of the images that the pool's ready and leased builders have reported. */
  images(pool: string): ReadonlySet<string> {
    const { reserve, active } = this.#pools.get(pool)?.status() ?? { reserve: [], active: [] };
    return new Set([...reserve, ...active].flatMap(({ builderImage }) => builderImage?.id ?? []));
  }

  /** Every lease in the records of the pools. */
  leases(): (BuilderRef & { readonly build: string })[] {
    return [...this.#pools].flatMap(([name, pool]) =>
      pool.leases().map(({ builder, build = "" }) => ({ pool: name, builder, build })),
    );
  }

  /** Undefined when the machine is confirmed gone, or the pool is not configured. */
  view({ pool, builder }: BuilderRef): BuilderView | undefined {
    return this.#pools.get(pool)?.builder(builder);
  }

  hasPool(pool: string): boolean {
    return this.#pools.has(pool);
  }

  /** False once the machine is confirmed gone. True when the pool is not configured, because then no listing can confirm it. */
  mayRun({ pool, builder }: BuilderRef): boolean {
    return this.#pools.get(pool)?.mayRun(builder) ?? true;
  }

  /** See Pool.lease. Throws CbError "infrastructure". */
  async lease({ pool, builder }: BuilderRef, build: string): Promise<boolean> {
    return (await this.#pools.get(pool)?.lease(builder, build)) ?? false;
  }

  /** See Pool.release. Throws CbError "infrastructure". */
  async release({ pool, builder }: BuilderRef, reason: string): Promise<void> {
    await this.#pools.get(pool)?.release(builder, reason);
  }

  /** Releases the builder, then orders its agent to stop. Throws CbError "infrastructure". */
  async dismiss(ref: BuilderRef, reason: string, stopReason = reason): Promise<void> {
    await this.release(ref, reason);
    this.#parked.reply(ref.builder, { v: 1, order: "stop", reason: stopReason });
  }
}
