/** Signals to processes that are not our children. */

/** Throws when there is no such process: 0 in its place would be the test's own process group. */
export function strike(what: string, pid: number | undefined, signal: NodeJS.Signals): void {
  if (pid === undefined) throw new Error(`${what} does not run, so there is nothing to send ${signal} to`);
  process.kill(pid, signal);
}
