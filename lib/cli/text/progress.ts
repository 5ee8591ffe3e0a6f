/** Formats sizes, durations, and the progress of a transfer in one line. */

export interface TransferState {
  readonly doneBytes: number;
  readonly totalBytes: number;
  readonly elapsedMs: number;
}

/** A rate over a shorter time is noise. */
const RATE_AFTER_MS = 200;

/**
 * Bar, percentage, sizes, rate and time left in at most `columns` characters. If that is too narrow, the bar is shortened
 * or left out first, then rate and time left are; percentage and sizes are always shown. The bar also leaves out the columns
 * of a title, which the other parts may shorten.
 */
export function progressLine(transfer: TransferState, columns: number, titleColumns = 0): string {
  const { doneBytes, totalBytes } = transfer;
  const fraction = totalBytes === 0 ? 1 : Math.min(1, doneBytes / totalBytes);
  const brief = `${percent(fraction)} ${size(doneBytes)}/${size(totalBytes)}`;
  const full = brief + rateAndTimeLeft(transfer);
  const text = full.length <= columns ? full : brief;
  const width = Math.min(30, columns - titleColumns - text.length - 3);
  return width < 5 ? text : `${bar(fraction, width)} ${text}`;
}

function rateAndTimeLeft({ doneBytes, totalBytes, elapsedMs }: TransferState): string {
  if (elapsedMs < RATE_AFTER_MS || doneBytes === 0) return "";
  const bytesPerMs = doneBytes / elapsedMs;
  const leftMs = (totalBytes - doneBytes) / bytesPerMs;
  return ` ${size(bytesPerMs * 1000)}/s, ${duration(leftMs)} left`;
}

function bar(fraction: number, width: number): string {
  const full = Math.round(fraction * width);
  return `[${"=".repeat(full)}${" ".repeat(width - full)}]`;
}

const percent = (fraction: number): string => `${Math.floor(fraction * 100)}%`.padStart(4);

/** A size in binary units: 512 B, 1.5 KiB, 2.0 GiB. */
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

/** A duration: 12s, 3m04s, 1h02m. */
export function duration(ms: number): string {
  const seconds = Math.round(ms / 1000);
  if (seconds < 60) return `${seconds}s`;
  const pad = (value: number) => String(value).padStart(2, "0");
  if (seconds < 3600) return `${Math.floor(seconds / 60)}m${pad(seconds % 60)}s`;
  return `${Math.floor(seconds / 3600)}h${pad(Math.floor((seconds % 3600) / 60))}m`;
}
