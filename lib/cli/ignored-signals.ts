/**
 * Signals that the caller of a program ignores stay ignored, as POSIX requires of every program: `nohup` ignores SIGHUP,
 * `trap '' INT` SIGINT, and a script that starts a program in the background SIGINT and SIGQUIT. Node resets all of them to their
 * default action at its start, so the shell prologue of a program (infra/tools/build.ts) passes the mask in an environment variable.
 */
import { constants } from "node:os";

/** The mask of ignored signals, in hexadecimal as in the line `SigIgn` of /proc/PID/status. */
const VARIABLE = "CB_IGNORED_SIGNALS";

/** The signals that end or stop a process by default, and for which Node permits a listener. */
const KEPT = ["SIGHUP", "SIGINT", "SIGQUIT", "SIGTERM", "SIGUSR2", "SIGALRM", "SIGTSTP", "SIGTTIN", "SIGTTOU"] as const;

let ignored: ReadonlySet<string> = new Set();

/** True if the caller of this program ignores the signal. False before `keepIgnoredSignals`. */
export const isIgnored = (signal: string): boolean => ignored.has(signal);

/** Ignores the signals that the caller ignores, and removes the variable: children have dispositions of their own. */
export function keepIgnoredSignals(): void {
  ignored = new Set(signalsOf(process.env[VARIABLE] ?? ""));
  delete process.env[VARIABLE];
  for (const signal of ignored) process.on(signal, () => undefined);
}

/** Without a listener Node opens its debugger on 127.0.0.1:9229, where every user of the host can command the process. */
export function refuseDebugger(): void {
  process.on("SIGUSR1", () => undefined);
}

/** The signals of the mask. Empty for a text that is no mask. */
export function signalsOf(mask: string): string[] {
  if (!/^[0-9a-f]{1,32}$/.test(mask)) return [];
  const bits = BigInt(`0x${mask}`);
  return KEPT.filter((name) => (bits >> BigInt(constants.signals[name] - 1)) & 1n);
}
