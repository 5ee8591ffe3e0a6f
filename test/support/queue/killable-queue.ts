/** cb-queue as a child process of the test, which is killed at a message to NATS that the test chooses. */
import { rmSync, writeFileSync } from "node:fs";
import type { Finished, Running, Stack } from "../stack.ts";

/** One message that the queue publishes, and the moment before or after it. Both patterns must match. */
export interface KillPoint {
  /** Matches the subject. */
  readonly subject: RegExp;
  /** Matches headers and payload. Default: every payload. */
  readonly payload?: RegExp;
  /**
   * `before`: the message is not sent. `after`: its reply has arrived, but the queue has not read it; a message without a
   * reply subject was sent. `hold`: the queue goes on, but neither this message nor a later one of the same connection is sent.
   */
  readonly when: "before" | "after" | "hold";
}

const PRELOAD = new URL("./kill-at.mjs", import.meta.url);

export class KillableQueue {
  readonly #stack: Stack;
  readonly #pointFile: string;
  #running: Running | undefined;

  /** The stack's own queue must have stopped before. */
  constructor(stack: Stack) {
    this.#stack = stack;
    this.#pointFile = stack.path("kill-at.json");
  }

  /** Resolves when the queue serves requests. */
  async start(config: string): Promise<void> {
    const env = { CB_KILL_AT: this.#pointFile };
    this.#running = this.#stack.start("cb-queue", ["--config", config], { env, preload: PRELOAD });
    await this.#running.seen(/cb-queue answers/);
  }

  /** The running queue is killed when it next reaches that point. */
  killAt({ subject, payload = /(?:)/, when }: KillPoint): void {
    writeFileSync(this.#pointFile, JSON.stringify({ subject: subject.source, payload: payload.source, when }));
  }

  /** Resolves when the log matches. */
  logs(pattern: RegExp): Promise<string> {
    return this.#queue().seen(pattern);
  }

  /** Resolves when the process has ended. */
  async ended(): Promise<Finished> {
    const { finished } = this.#queue();
    return await finished;
  }

  /** Kills it now. */
  async kill(signal: NodeJS.Signals = "SIGKILL"): Promise<Finished> {
    this.#queue().kill(signal);
    return await this.ended();
  }

  /** Stops the queue at the end of a test, also of a test that has failed. */
  async stop(): Promise<void> {
    rmSync(this.#pointFile, { force: true });
    if (this.#running !== undefined) await this.kill("SIGTERM");
  }

  #queue(): Running {
    if (this.#running === undefined) throw new Error("the queue has not been started");
    return this.#running;
  }
}
