/** A transfer in one line: bar, share, size, rate and time left. Pure: the caller says how late it is. */

export interface Transfer {
  readonly doneBytes: number;
  readonly totalBytes: number;
  readonly elapsedMs: number;
}

/** Rates over less than this are noise. */
const RATE_AFTER_MS = 200;

/** At most `columns` wide, unless that is less than a share and a size take; the bar shrinks first, then rate and time go. */
export function progressLine(transfer: Transfer, columns: number): string {
  const { doneBytes, totalBytes } = transfer;
  const share = totalBytes === 0 ? 1 : Math.min(1, doneBytes / totalBytes);
  const brief = `${percent(share)} ${size(doneBytes)}/${size(totalBytes)}`;
  const full = brief + rateAndRest(transfer);
  const text = full.length <= columns ? full : brief;
  const width = Math.min(30, columns - text.length - 3);
  return width < 5 ? text : `${bar(share, width)} ${text}`;
}

function rateAndRest({ doneBytes, totalBytes, elapsedMs }: Transfer): string {
  if (elapsedMs < RATE_AFTER_MS || doneBytes === 0) return "";
  const bytesPerMs = doneBytes / elapsedMs;
  const leftMs = (totalBytes - doneBytes) / bytesPerMs;
  return ` ${size(bytesPerMs * 1000)}/s, ${duration(leftMs)} left`;
}

function bar(share: number, width: number): string {
  const full = Math.round(share * width);
  return `[${"=".repeat(full)}${" ".repeat(width - full)}]`;
}

const percent = (share: number): string => `${Math.floor(share * 100)}%`.padStart(4);

/** Binary units, as ls -h has them: 512 B, 1.5 KiB, 2.0 GiB. */
export function size(bytes: number): string {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit++;
  }
  return unit === 0 ? `${Math.round(value)} B` : `${value.toFixed(1)} ${units[unit]}`;
}

/** 12s, 3m04s, 1h02m. */
export function duration(ms: number): string {
  const seconds = Math.round(ms / 1000);
  if (seconds < 60) return `${seconds}s`;
  const pad = (value: number) => String(value).padStart(2, "0");
  if (seconds < 3600) return `${Math.floor(seconds / 60)}m${pad(seconds % 60)}s`;
  return `${Math.floor(seconds / 3600)}h${pad(Math.floor((seconds % 3600) / 60))}m`;
}
