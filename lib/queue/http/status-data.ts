/**
 * The content of /status.json, which the status page shows. It has no secret and no text of a recipe. Builders and clients choose
 * some of its texts, so the page must never take them for HTML.
 */
import type { Pool } from "../../pool/pool.ts";
import type { Explanation } from "../builds/explain.ts";
import type { BuildRecord } from "../builds/record.ts";
import type { PoolKind } from "../leases/choose-pool.ts";

/** More rows than this tell no more; the page shows the number of all. */
const ROWS_MAX = 100;
/** Failures of builds and of builders; the log has the older ones. */
const FAILURES_MAX = 20;
/** A longer text is an error message with details for the log. */
const TEXT_MAX_CHARS = 300;
/** Control and format characters, as U+202E, which reverses the text behind it. */
const INVISIBLE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+/gu;

/** The parts of the queue that it is made from, once they are open. */
export interface StatusSource {
  readonly pools: ReadonlyMap<string, Pool>;
  readonly poolKinds: readonly PoolKind[];
  readonly builds: { all(): readonly BuildRecord[] };
  /** Position and reason of each waiting build. */
  readonly waiting: () => readonly Explanation[];
}

export interface StatusInput {
  readonly installation: string;
  readonly version: string;
  readonly nowMs: number;
  /** Why the queue takes no builds; empty when it does. */
  readonly notReady: readonly string[];
  readonly warnings: readonly string[];
  /** Undefined while the queue starts. */
  readonly source: StatusSource | undefined;
}

export type StatusData = ReturnType<typeof statusData>;

/** All times are milliseconds since 1970, by the queue's clock. */
export function statusData({ source, notReady, warnings, ...rest }: StatusInput) {
  const records = source?.builds.all() ?? [];
  return {
    v: 1,
    ...rest,
    notReady: notReady.map(shown),
    warnings: warnings.map(shown),
    pools: source === undefined ? [] : poolsOf(source),
    running: { total: ofState(records, "leased").length, builds: runningOf(records, source?.pools) },
    waiting: { total: ofState(records, "waiting").length, builds: waitingOf(records, source?.waiting() ?? []) },
    failures: failuresOf(records, source?.pools),
  };
}

function poolsOf({ pools, poolKinds }: StatusSource) {
  const archOf = new Map(poolKinds.map(({ name, arch }) => [name, arch]));
  return [...pools].map(([name, pool]) => {
    const { reserve, booting, active, destroying, held, reserveTarget, totalMax, reason } = pool.status();
    return {
      name,
      arch: archOf.get(name) ?? "",
      ready: reserve.length,
      booting: booting.length,
      leased: active.length,
      destroying: destroying.length,
      held: held.length,
      failed: pool.failures().length,
      reserveTarget,
      max: totalMax,
      reason: shown(reason),
    };
  });
}

function runningOf(records: readonly BuildRecord[], pools: StatusSource["pools"] | undefined) {
  const running = ofState(records, "leased").toSorted((a, b) => (a.leasedAtMs ?? 0) - (b.leasedAtMs ?? 0));
  return running.slice(0, ROWS_MAX).map((record) => ({
    ...identityOf(record),
    host: shown(builderOf(record, pools)?.host ?? ""),
    attempt: record.attempt,
    sinceMs: record.leasedAtMs ?? record.createdAtMs,
  }));
}

function waitingOf(records: readonly BuildRecord[], explanations: readonly Explanation[]) {
  const byBuild = new Map(records.map((record) => [record.build, record]));
  return explanations.slice(0, ROWS_MAX).flatMap(({ build, position, reason }) => {
    const record = byBuild.get(build);
    return record === undefined
      ? []
      : [{ ...identityOf(record), position, reason: shown(reason), sinceMs: record.createdAtMs }];
  });
}

/** The newest first. The reason of a failed build is left out: its agent chose it, and it may quote the recipe. */
function failuresOf(records: readonly BuildRecord[], pools: StatusSource["pools"] | undefined) {
  const builds = records.flatMap(({ build, user, pool, final, endedAtMs = 0 }) => {
    if (final?.state !== "failed" && final?.state !== "lost") return [];
    const reason = final.state === "lost" ? shown(final.reason) : failureText(final.exitCode);
    return [{ kind: "build", id: build, pool: shown(pool), user: shown(user), atMs: endedAtMs, reason }];
  });
  const builders = [...(pools ?? [])].flatMap(([name, pool]) =>
    pool.failures().map(({ builder: id, atMs, reason }) => ({
      kind: "builder",
      id,
      pool: name,
      user: "",
      atMs,
      reason: shown(reason),
    })),
  );
  return [...builds, ...builders].toSorted((a, b) => b.atMs - a.atMs).slice(0, FAILURES_MAX);
}

const failureText = (exitCode: number): string =>
  exitCode === 0 ? "it exceeded a limit" : `its recipe failed with exit code ${exitCode}`;

const identityOf = ({ build, user, pool, name }: BuildRecord) => ({
  id: build,
  user: shown(user),
  pool: shown(pool),
  name: shown(name),
});

const builderOf = ({ pool, builder = "" }: BuildRecord, pools: StatusSource["pools"] | undefined) =>
  pools?.get(pool)?.builder(builder);

const ofState = (records: readonly BuildRecord[], state: BuildRecord["state"]): BuildRecord[] =>
  records.filter((record) => record.state === state);

function shown(text: string): string {
  const visible = text.replace(INVISIBLE, " ");
  return visible.length <= TEXT_MAX_CHARS ? visible : `${visible.slice(0, TEXT_MAX_CHARS - 1)}…`;
}
