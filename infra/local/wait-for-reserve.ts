/** Waits until the queue replies and its reserve is full, and prints the progress. */
import { readFile } from "node:fs/promises";
import type { NatsConnection } from "nats";
import { systemClock } from "../../lib/core/clock.ts";
import { CbError } from "../../lib/core/errors.ts";
import { connectNats } from "../../lib/nats/connection.ts";
import { call } from "../../lib/nats/rpc/client.ts";
import { status } from "../../lib/protocol/requests.ts";
import type { StatusReply } from "../../lib/protocol/status-messages.ts";
import { runningPid } from "./daemon.ts";
import { type Layout, localUser } from "./layout.ts";

/** From one status request to the next. */
const POLL_MS = 100;
const REPLY_TIMEOUT_MS = 1_000;
/** The end of the queue's log that an error shows: it fits on a screen and holds the cause. */
const LOG_TAIL_LINES = 5;
const LOG_LINE_CHARS = 400;

const truncated = (line: string): string => (line.length > LOG_LINE_CHARS ? `${line.slice(0, LOG_LINE_CHARS)}…` : line);

export interface WaitOptions {
  readonly notify: (line: string) => void;
  readonly signal: AbortSignal;
  readonly timeoutMs: number;
}

/**
 * Throws CbError "infrastructure", with the end of the queue's log, when the queue exits or the reserve is not full within
 * `timeoutMs`.
 */
export async function waitForReserve(paths: Layout, { notify, signal, timeoutMs }: WaitOptions): Promise<void> {
  const user = await localUser(paths);
  if (user === undefined) throw new CbError("infrastructure", `no client settings in ${paths.client}`);
  const nc = await connectNats({ address: user, credential: user.credential, name: "cb-local" });
  try {
    const endMs = systemClock.nowMs() + timeoutMs;
    let printed = "";
    for (;;) {
      signal.throwIfAborted();
      const progress = await readProgress(nc, user.name);
      if (progress.ready) return;
      if (runningPid(paths.queuePid) === undefined) throw await failure("cb-queue has ended", paths);
      if (systemClock.nowMs() > endMs) throw await failure(`the reserve is not ready: ${progress.text}`, paths);
      if (progress.text !== printed) notify(progress.text);
      printed = progress.text;
      await systemClock.sleep(POLL_MS);
    }
  } finally {
    await nc.close();
  }
}

interface Progress {
  readonly ready: boolean;
  readonly text: string;
}

async function readProgress(nc: NatsConnection, user: string): Promise<Progress> {
  try {
    return progressIn(await call(status, { nc, principal: user, request: { v: 1 }, timeoutMs: REPLY_TIMEOUT_MS }));
  } catch (error) {
    if (error instanceof CbError && error.kind === "unreachable") return { ready: false, text: "Waiting for cb-queue" };
    throw error;
  }
}

function progressIn({ pools, builds }: StatusReply): Progress {
  const [pool] = pools;
  if (pool === undefined) return { ready: true, text: "" };
  const { ready, target } = pool.reserve;
  // A running build has taken a builder of the reserve, so the reserve was full before.
  return { ready: ready >= target || builds.running > 0, text: `Making builders: ${ready} of ${target} ready` };
}

async function failure(message: string, paths: Layout): Promise<CbError> {
  const log = await readFile(paths.queueLog, "utf8").catch(() => "");
  const tail = log.trimEnd().split("\n").slice(-LOG_TAIL_LINES).map(truncated).join("\n");
  return new CbError("infrastructure", message, { hint: `the end of ${paths.queueLog}:\n${tail}` });
}
