/** The one way to send a signal to a process or a process group that may already have exited. */

/**
 * Sends `signal` to the process `pid`, or to the process group `-pid` when the number is negative. Returns false when no such
 * process exists, or when the process id now belongs to another user's process. Throws RangeError for -1, 0, 1 and every number
 * that is not an integer: kill(2) takes 0 as the caller's own process group and -1 as every process.
 */
export function signalProcess(pid: number, signal: NodeJS.Signals): boolean {
  if (!Number.isSafeInteger(pid) || Math.abs(pid) <= 1) throw new RangeError(`no process to send ${signal} to: ${pid}`);
  try {
    process.kill(pid, signal);
    return true;
  } catch (error) {
    if (error instanceof Error && "code" in error && (error.code === "ESRCH" || error.code === "EPERM")) return false;
    throw error;
  }
}
