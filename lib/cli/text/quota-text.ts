/** The quotas of a user in one line. */
import type { QuotaFigures } from "../../protocol/status-messages.ts";

const HOUR_MS = 3_600_000;

/** For example `3 of 20 builds today, 1.5 of 10 builder hours this month`; empty without a quota. */
export function quotaText({ builds, builderMs }: QuotaFigures): string {
  return [
    ...(builds === undefined ? [] : [`${builds.used} of ${builds.max} builds today`]),
    ...(builderMs === undefined
      ? []
      : [`${hours(builderMs.used)} of ${hours(builderMs.max)} builder hours this month`]),
  ].join(", ");
}

/** With one decimal if it is not whole. */
export const hours = (ms: number): string => String(Math.round((ms / HOUR_MS) * 10) / 10);
