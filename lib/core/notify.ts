/**
 * Notifies the service manager (sd_notify(3)): ready, stopping, status, watchdog. The messages go to a unix datagram socket, which
 * Node cannot open, so systemd's own program systemd-notify sends them: it is there wherever systemd started this process, and
 * no native module has to be compiled. The unit needs `NotifyAccess=all`, because the sender is a child of the service.
 */
import { execFile } from "node:child_process";
import type { Logger } from "./log.ts";

/** systemd-notify takes 5 ms, and waits until systemd has read the message. */
const CALL_MS = 5_000;
/** sd_watchdog_enabled(3) advises half of the limit. */
const WATCHDOG_PART = 0.5;
/** systemd shows one line. */
const STATUS_MAX_CHARS = 200;

/** One message of the service manager's protocol. */
type Message = `READY=1` | `STOPPING=1` | `WATCHDOG=1` | `STATUS=${string}`;

export interface ServiceManager {
  /** The service has started. `status` is shown by `systemctl status`. */
  ready(status: string): Promise<void>;
  /** Does nothing when it is the status that was sent last. */
  status(status: string): Promise<void>;
  /** Ends the watchdog messages too: a stop has its own limit (TimeoutStopSec=). */
  stopping(): Promise<void>;
}

export interface NotifyOptions {
  /** The environment of the process. Its NOTIFY_SOCKET and WATCHDOG_* are removed, so that no child inherits them. */
  readonly env: NodeJS.ProcessEnv;
  readonly pid: number;
  readonly log: Logger;
}

/**
 * Without NOTIFY_SOCKET every call does nothing. Never throws and never rejects: a message that cannot be sent is logged. With
 * WATCHDOG_USEC for this process the watchdog messages start at once: they come from a timer of the event loop, so an event loop
 * that stands still ends them, and systemd restarts the service.
 */
export function serviceManager({ env, pid, log }: NotifyOptions): ServiceManager {
  const { NOTIFY_SOCKET, WATCHDOG_USEC, WATCHDOG_PID } = env;
  for (const name of ["NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"]) delete env[name];
  let sentStatus = "";
  const send = async (...messages: readonly Message[]): Promise<void> => {
    if (NOTIFY_SOCKET === undefined) return;
    const error = await run(messages, { ...env, NOTIFY_SOCKET });
    if (error !== null) log.warn({ cause: error.message }, "cannot notify systemd");
  };
  const isForThis = WATCHDOG_PID === undefined || WATCHDOG_PID === String(pid);
  const watchdogMs = isForThis ? watchdogPauseMs(WATCHDOG_USEC) : undefined;
  const timer = watchdogMs === undefined ? undefined : setInterval(() => void send("WATCHDOG=1"), watchdogMs).unref();
  return {
    async ready(status) {
      sentStatus = status;
      await send("READY=1", statusMessage(status));
    },
    async status(status) {
      if (status === sentStatus) return;
      sentStatus = status;
      await send(statusMessage(status));
    },
    async stopping() {
      clearInterval(timer);
      await send("STOPPING=1");
    },
  };
}

/** Undefined without a watchdog. */
function watchdogPauseMs(usec: string | undefined): number | undefined {
  const limitMs = Number(usec ?? "") / 1000;
  return limitMs > 0 ? Math.max(1, Math.floor(limitMs * WATCHDOG_PART)) : undefined;
}

/** A line break would begin another message. */
const statusMessage = (status: string): Message =>
  `STATUS=${status.replace(/\p{Cc}+/gu, " ").slice(0, STATUS_MAX_CHARS)}`;

function run(messages: readonly Message[], env: NodeJS.ProcessEnv): Promise<Error | null> {
  return new Promise((resolve) => {
    execFile("systemd-notify", [...messages], { env, timeout: CALL_MS }, (error) => resolve(error));
  });
}
