/** How much each user may build in a day and a month, by the setting `quotas` of the queue. */
import type { QuotasConfig } from "../../config/quota-config.ts";
import type { Clock } from "../../core/clock.ts";
import { CbError } from "../../core/errors.ts";
import type { QuotaFigures } from "../../protocol/status-messages.ts";
import type { BuildRecord } from "../builds/record.ts";
import type { Usage } from "./usage.ts";

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

export interface QuotasOptions {
  readonly config: QuotasConfig;
  readonly usage: Pick<Usage, "now">;
  readonly builds: { all(): readonly BuildRecord[] };
  readonly clock: Clock;
}

export class Quotas {
  readonly #options: QuotasOptions;

  constructor(options: QuotasOptions) {
    this.#options = options;
  }

  /** The use and the limit of each quota that holds for the user. Builds that wait or run count as they are now. */
  of(user: string): QuotaFigures {
    const { config, usage, builds, clock } = this.#options;
    const { buildsPerDay, builderHoursPerMonth } = { ...config, ...config.users[user] };
    const nowMs = clock.nowMs();
    const live = builds.all().filter((record) => record.user === user && record.state !== "ended");
    const { dayBuilds, builderMs } = usage.now(user);
    const runningMs = live.reduce((sum, { leasedAtMs = nowMs }) => sum + Math.max(0, nowMs - leasedAtMs), 0);
    return {
      ...(buildsPerDay === undefined ? {} : { builds: { used: dayBuilds + live.length, max: buildsPerDay } }),
      ...(builderHoursPerMonth === undefined
        ? {}
        : { builderMs: { used: builderMs + runningMs, max: Math.round(builderHoursPerMonth * HOUR_MS) } }),
    };
  }

  /** `inProgress`: reservations of the user without a record yet. Throws CbError "infrastructure" when a quota is used up. */
  refuseUsedUp(user: string, inProgress: number): void {
    const { builds, builderMs } = this.of(user);
    const nowMs = this.#options.clock.nowMs();
    if (builds !== undefined && builds.used + inProgress >= builds.max) {
      const used = `${builds.used + inProgress} of ${builds.max} builds today`;
      throw usedUp(`you have used ${used}`, nextDayMs(nowMs), nowMs);
    }
    if (builderMs !== undefined && builderMs.used >= builderMs.max) {
      const used = `${hours(builderMs.used)} of ${hours(builderMs.max)} builder hours this month`;
      throw usedUp(`you have used ${used}`, nextMonthMs(nowMs), nowMs);
    }
  }
}

function usedUp(message: string, freeAtMs: number, nowMs: number): CbError {
  const minutes = Math.ceil((freeAtMs - nowMs) / 60_000);
  const span = minutes < 120 ? `${minutes} minutes` : `${Math.ceil(minutes / 60)} hours`;
  return new CbError("infrastructure", message, {
    hint: `the count begins anew in ${span}, at ${new Date(freeAtMs).toISOString().slice(0, 16).replace("T", " ")} UTC; ask your operator for more`,
  });
}

const nextDayMs = (nowMs: number): number => (Math.floor(nowMs / DAY_MS) + 1) * DAY_MS;

function nextMonthMs(nowMs: number): number {
  const date = new Date(nowMs);
  return Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + 1);
}

const hours = (ms: number): string => String(Math.round((ms / HOUR_MS) * 10) / 10);
