/** What a person reads of a run: one line for a file that is fine, the rest of the story for one that is not. */
import type { FileResult } from "./run-file.ts";

export interface Totals {
  readonly passed: number;
  readonly failed: number;
}

/** `all`: what a file that is fine printed, too. */
export function describeResult({ file, verdict, output, tookMs }: FileResult, all = false): string {
  const { passed, failed, skipped, problems } = verdict;
  const counts = [`${passed} passed`, failed > 0 ? `${failed} failed` : "", skipped > 0 ? `${skipped} skipped` : ""];
  const line = [
    failed > 0 ? "FAIL" : "ok  ",
    `${(tookMs / 1000).toFixed(1)} s`.padStart(8),
    "",
    file.path,
    ` ${counts.filter(Boolean).join(", ")}`,
  ].join(" ");
  if (failed === 0 && !all) return line;
  const told = [...problems.map((problem) => `* ${problem}`), ...output.trimEnd().split("\n")];
  return [line, ...told.map((text) => `     | ${text}`)].join("\n");
}

/** The last line of every run, which other programs read. */
export function describeTotals({ passed, failed }: Totals): string {
  return `${passed} passed, ${failed} failed`;
}

export function sumOf(results: readonly FileResult[]): Totals {
  const sum = (key: "passed" | "failed"): number => results.reduce((total, { verdict }) => total + verdict[key], 0);
  return { passed: sum("passed"), failed: sum("failed") };
}
