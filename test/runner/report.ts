/** The text of a run: one line for a file that passed, and also the problems and the output for a file that failed. */
import type { FileResult } from "./run-file.ts";

export interface Totals {
  readonly passed: number;
  readonly failed: number;
}

/** `all`: include the output of a file that passed. */
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
  const details = [...problems.map((problem) => `* ${problem}`), ...output.trimEnd().split("\n")];
  return [line, ...details.map((text) => `     | ${text}`)].join("\n");
}

/** The last line of each run. .ci/run parses it. */
export function describeTotals({ passed, failed }: Totals): string {
  return `${passed} passed, ${failed} failed`;
}

export function sumOf(results: readonly FileResult[]): Totals {
  const sum = (key: "passed" | "failed"): number => results.reduce((total, { verdict }) => total + verdict[key], 0);
  return { passed: sum("passed"), failed: sum("failed") };
}
