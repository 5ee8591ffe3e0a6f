/** Sends signals to processes that are not children of the test. */
import { signalProcess } from "../../lib/core/signal-process.ts";

/** `name` names the process in the error. Throws when it does not run. */
export function sendSignal(name: string, pid: number | undefined, signal: NodeJS.Signals): void {
  if (pid === undefined || !signalProcess(pid, signal))
    throw new Error(`${name} does not run, so it cannot get ${signal}`);
}
