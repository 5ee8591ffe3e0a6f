/** Waits until the queue answers and its reserve is full, and says how it goes. */
import { readFile } from "node:fs/promises";
import type { NatsConnection } from "nats";
import { systemClock } from "../../lib/core/clock.ts";
import { CbError } from "../../lib/core/errors.ts";
import { connectNats } from "../../lib/nats/connection.ts";
import { call } from "../../lib/nats/rpc/client.ts";
import { status } from "../../lib/protocol/requests.ts";
import type { StatusReply } from "../../lib/protocol/status-messages.ts";
import { runningPid } from "./daemon.ts";
import type { Layout } from "./layout.ts";
import { localUser } from "./user.ts";

const LOOK_MS = 100;
const ANSWER_MS = 1_000;
/** Enough to see what happened last, on one screen. */
const LOG_TAIL_LINES = 5;
const LOG_LINE_CHARS = 400;

const shortened = (line: string): string => (line.length > LOG_LINE_CHARS ? `${line.slice(0, LOG_LINE_CHARS)}…` : line);

export interface WaitOptions {
  readonly say: (line: string) => void;
  readonly signal: AbortSignal;
  /** It may take this long. */
  readonly readyMs: number;
}

/** Throws CbError "infrastructure" with the queue's last words when it ends, or is not ready in time. */
export async function waitForReserve(paths: Layout, { say, signal, readyMs }: WaitOptions): Promise<void> {
  const user = await localUser(paths);
  if (user === undefined) throw new CbError("infrastructure", `no client settings in ${paths.client}`);
  const nc = await connectNats({ address: user, credential: user.credential, name: "cb-local" });
  try {
    const endMs = systemClock.nowMs() + readyMs;
    let said = "";
    for (;;) {
      signal.throwIfAborted();
      const now = await outlook(nc, user.name);
      if (now.ready) return;
      if (runningPid(paths.queuePid) === undefined) throw await failed("cb-queue has ended", paths);
      if (systemClock.nowMs() > endMs) throw await failed(`the reserve is not ready: ${now.text}`, paths);
      if (now.text !== said) say(now.text);
      said = now.text;
      await systemClock.sleep(LOOK_MS);
    }
  } finally {
    await nc.close();
  }
}

async function outlook(nc: NatsConnection, user: string): Promise<{ ready: boolean; text: string }> {
  try {
    return judge(await call(status, { nc, principal: user, request: { v: 1 }, timeoutMs: ANSWER_MS }));
  } catch (error) {
    if (error instanceof CbError && error.kind === "unreachable") return { ready: false, text: "Waiting for cb-queue" };
    throw error;
  }
}

function judge({ pools, builds }: StatusReply): { ready: boolean; text: string } {
  const [pool] = pools;
  if (pool === undefined) return { ready: true, text: "" };
  const { ready, target } = pool.reserve;
  // Somebody builds already: the reserve is being used, which is as good as full.
  return { ready: ready >= target || builds.running > 0, text: `Making builders: ${ready} of ${target} ready` };
}

async function failed(message: string, paths: Layout): Promise<CbError> {
  const log = await readFile(paths.queueLog, "utf8").catch(() => "");
  const tail = log.trimEnd().split("\n").slice(-LOG_TAIL_LINES).map(shortened).join("\n");
  return new CbError("infrastructure", message, { hint: `the end of ${paths.queueLog}:\n${tail}` });
}
