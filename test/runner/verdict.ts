/** Decides whether a test file passed. It has no effects, so that tests can show each way to fail. */

export interface SuiteCount {
  readonly passed: number;
  readonly skipped: number;
  readonly total: number;
}

export interface Ending {
  /** The counts of each suite; undefined when the process ended before its last suite. */
  readonly suites: readonly SuiteCount[] | undefined;
  /** The number of suites in the source. A suite that is never run has no counts, so only this number shows it. */
  readonly declaredSuites: number;
  readonly exit: { readonly code: number | null; readonly signal: string | null };
  /** The reason if the runner ended the process. */
  readonly stopped: string | undefined;
  /** A message for each process, mount and file that the tests left behind. */
  readonly leftovers: readonly string[];
  /** True in CI, because a test that CI skips never runs. */
  readonly skipsFail: boolean;
}

export interface Verdict {
  readonly passed: number;
  /** At least one for each problem. */
  readonly failed: number;
  readonly skipped: number;
  readonly problems: readonly string[];
}

export function verdictOf(ending: Ending): Verdict {
  const suites = ending.suites ?? [];
  const sum = (key: keyof SuiteCount): number => suites.reduce((total, count) => total + count[key], 0);
  const passed = sum("passed");
  const notPassed = sum("total") - passed;
  const problems = [...problemsOfCounts(ending, notPassed), ...problemsOfEnd(ending), ...ending.leftovers];
  return { passed, failed: Math.max(notPassed, problems.length), skipped: sum("skipped"), problems };
}

function problemsOfCounts({ suites, declaredSuites, skipsFail }: Ending, notPassed: number): string[] {
  if (suites === undefined) return [];
  const problems: string[] = [];
  const total = suites.reduce((sum, count) => sum + count.total, 0);
  const skipped = suites.reduce((sum, count) => sum + count.skipped, 0);
  if (notPassed > 0) problems.push(`${notPassed} of ${total} tests did not pass`);
  if (suites.length < declaredSuites) {
    problems.push(`${declaredSuites} suites are declared and ${suites.length} were run: is a run() missing?`);
  } else if (total === 0) {
    problems.push("it has no tests");
  }
  if (skipsFail && skipped > 0) problems.push(`${skipped} tests were skipped, which CI does not allow`);
  return problems;
}

function problemsOfEnd({ suites, exit, stopped }: Ending): string[] {
  if (stopped !== undefined) return [stopped];
  if (exit.signal !== null) return [`it was ended by ${exit.signal}`];
  if (suites === undefined) return [`it ended before its last suite did (exit code ${exit.code})`];
  const explained = suites.some((count) => count.passed !== count.total);
  return exit.code === 0 || explained ? [] : [`its exit code is ${exit.code}`];
}
