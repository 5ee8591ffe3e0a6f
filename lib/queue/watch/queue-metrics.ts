/** The metrics that grow with the events of queue and pools: builds, leases, waits, boots, requests, bytes, passes. */
import type { CbError } from "../../core/errors.ts";
import type { Registry } from "../../core/metrics.ts";
import type { PoolObserver } from "../../pool/observer.ts";
import type { BuilderRecord, BuilderState } from "../../pool/state/record.ts";
import * as requests from "../../protocol/requests.ts";
import { principals } from "../../protocol/subjects.ts";
import type { BuildRecord } from "../builds/record.ts";
import type { QueueEvents, StoredKind } from "./events.ts";

/** A ready builder is leased within a second, a sandbox boots in two, a machine in minutes; a day is the longest wait. */
const WAIT_S = [1, 2, 5, 15, 60, 300, 900, 3600, 14_400, 86_400];
/** Up to the longest `bootTimeoutSeconds` that is usual. */
const BOOT_S = [1, 2, 5, 10, 20, 40, 60, 120, 300, 600];
/** A small image takes seconds, a toolchain hours. */
const BUILD_S = [10, 30, 60, 180, 600, 1800, 3600, 10_800, 21_600];

const OUTCOMES = ["succeeded", "failed", "cancelled", "lost"] as const;
/** How far a builder had come before it was given up. */
const BUILDER_ENDS = ["leased", "never_leased", "never_ready"] as const;
const STORED_KINDS: readonly StoredKind[] = ["context", "image", "log"];

export class QueueMetrics implements QueueEvents, PoolObserver {
  readonly #metrics: ReturnType<typeof metricsIn>;

  constructor(registry: Registry, pools: readonly string[]) {
    this.#metrics = metricsIn(registry);
    const { reserved, leases, losses, ended, waits, boots, buildersEnded, failures, passes, bytes } = this.#metrics;
    for (const kind of STORED_KINDS) bytes.add(0, { kind });
    for (const pool of pools) {
      for (const counter of [reserved, leases, losses, failures]) counter.add(0, { pool });
      for (const outcome of OUTCOMES) ended.add(0, { pool, outcome });
      for (const end of BUILDER_ENDS) buildersEnded.add(0, { pool, end });
      for (const listing of ["complete", "incomplete"]) passes.add(0, { pool, listing });
      for (const histogram of [waits, boots]) histogram.expect({ pool });
    }
  }

  readonly buildChanged = (record: BuildRecord, before?: BuildRecord): void => {
    const { pool } = record;
    const { reserved, leases, losses, ended, waits, durations, bytes } = this.#metrics;
    if (before === undefined) reserved.add(1, { pool });
    if (before?.state === "waiting" && record.state === "leased") {
      leases.add(1, { pool });
      // After a loss the waiting time starts again, as for its limit.
      const sinceMs = record.loss?.atMs ?? record.createdAtMs;
      waits.observe(seconds(sinceMs, record.leasedAtMs), { pool });
    }
    if (before?.state === "leased" && record.state === "waiting") losses.add(1, { pool });
    if (before === undefined || before.state === "ended" || record.state !== "ended") return;
    const outcome = record.final?.state ?? "lost";
    ended.add(1, { pool, outcome });
    if (record.leasedAtMs !== undefined) {
      durations.observe(seconds(record.leasedAtMs, record.endedAtMs), { pool, outcome });
    }
    if (record.final?.state === "succeeded") bytes.add(record.final.bytes, { kind: "image" });
  };

  readonly bytesStored = (kind: StoredKind, bytes: number): void => this.#metrics.bytes.add(bytes, { kind });

  readonly requested = (request: string): void => this.#metrics.requests.add(1, { request });

  readonly refused = (subject: string, { kind }: CbError, isExcess: boolean): void =>
    this.#metrics.refusals.add(1, { request: requestName(subject), reason: isExcess ? "too_many" : kind });

  builderChanged({ pool, state, sinceMs, createdAtMs }: BuilderRecord, before?: BuilderRecord): void {
    const { boots, buildersEnded } = this.#metrics;
    if (state === "ready") boots.observe(seconds(createdAtMs, sinceMs), { pool });
    if (state === "destroying" && before !== undefined) buildersEnded.add(1, { pool, end: endOf(before.state) });
  }

  builderFailed(pool: string): void {
    this.#metrics.failures.add(1, { pool });
  }

  passDone(pool: string, complete: boolean): void {
    this.#metrics.passes.add(1, { pool, listing: complete ? "complete" : "incomplete" });
  }
}

function metricsIn(registry: Registry) {
  const name = (text: string): string => `container_builder_${text}`;
  const counter = (text: string, help: string, ...labels: string[]) =>
    registry.counter({ name: name(text), help, labels });
  const histogram = (text: string, help: string, buckets: readonly number[], ...labels: string[]) =>
    registry.histogram({ name: name(text), help, labels, buckets });
  return {
    reserved: counter("builds_reserved_total", "Builds that clients reserved.", "pool"),
    leases: counter("build_leases_total", "Builders that were leased to builds.", "pool"),
    losses: counter("build_losses_total", "Builds that lost their builder and wait for another.", "pool"),
    ended: counter("builds_ended_total", "Builds that ended, by outcome.", "pool", "outcome"),
    waits: histogram("build_wait_seconds", "Time from the reservation, or the loss, to the lease.", WAIT_S, "pool"),
    durations: histogram("build_duration_seconds", "Time from the lease to the end.", BUILD_S, "pool", "outcome"),
    boots: histogram("builder_boot_seconds", "Time from the create to the agent's first request.", BOOT_S, "pool"),
    buildersEnded: counter("builders_ended_total", "Builders that were given up, by their last state.", "pool", "end"),
    failures: counter("builder_failures_total", "Builders that did not work.", "pool"),
    passes: counter("reconciler_passes_total", "Passes, by the provider's listing.", "pool", "listing"),
    bytes: counter("stored_bytes_total", "Bytes of uploaded contexts, of images and of logs.", "kind"),
    requests: counter("requests_total", "Requests that the queue received.", "request"),
    refusals: counter("requests_refused_total", "Requests that the queue refused.", "request", "reason"),
  };
}

/** Never negative: a clock may have been set back in between. */
const seconds = (fromMs: number, toMs = fromMs): number => Math.max(0, toMs - fromMs) / 1000;

function endOf(state: BuilderState): (typeof BUILDER_ENDS)[number] {
  if (state === "leased") return "leased";
  return state === "ready" ? "never_leased" : "never_ready";
}

/** By the pattern of the subject. */
const NAMES: ReadonlyMap<string, string> = new Map(
  Object.values(requests).flatMap((definition) =>
    "pattern" in definition ? [[definition.pattern, definition.name]] : [],
  ),
);

/** The name of the request, of which there are few; `unknown` for a subject of none. */
function requestName(subject: string): string {
  const kinds = [principals.users, principals.operators, principals.builders];
  return kinds.map(({ pattern }) => NAMES.get(pattern(subject))).find((name) => name !== undefined) ?? "unknown";
}
