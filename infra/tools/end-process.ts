/** Ends a process that is not a child of this one. */
import { systemClock } from "../../lib/core/clock.ts";
import { CbError } from "../../lib/core/errors.ts";
import { signalProcess } from "../../lib/core/signal-process.ts";

/** The kernel sends no event when a process ends that is not our child, so its end is polled at this interval. */
export const PROCESS_POLL_MS = 20;

export interface EndOptions {
  /** Whether the process still runs. The kernel reuses process ids, so the id alone does not identify it. */
  readonly isRunning: () => boolean | Promise<boolean>;
  /** From SIGTERM to SIGKILL. */
  readonly graceMs: number;
}

/**
 * Sends SIGTERM, after `graceMs` SIGKILL, and resolves when the process has ended. Throws CbError "config" when the process runs
 * but belongs to another user.
 */
export async function endProcess(pid: number, { isRunning, graceMs }: EndOptions): Promise<void> {
  const killAtMs = systemClock.nowMs() + graceMs;
  let signal: NodeJS.Signals | undefined = "SIGTERM";
  while (await isRunning()) {
    if (signal !== undefined && !signalProcess(pid, signal) && (await isRunning()))
      throw new CbError("config", `cannot end process ${pid}: it belongs to another user`);
    signal = systemClock.nowMs() > killAtMs ? "SIGKILL" : undefined;
    await systemClock.sleep(PROCESS_POLL_MS);
  }
}
