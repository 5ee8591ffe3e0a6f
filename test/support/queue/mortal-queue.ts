/** The stack's cb-queue as a child of the test, which dies at a point of its talk with NATS that the test names. */
import { rmSync, writeFileSync } from "node:fs";
import type { Finished, Running, Stack } from "../stack.ts";

/** One frame that the queue sends, and the moment beside it. Both patterns must match; a payload is that of its headers too. */
export interface KillPoint {
  /** Of the subject. */
  readonly subject: RegExp;
  /** Default: whatever it says. */
  readonly payload?: RegExp;
  /** `before`: it does not go out. `after`: it is answered, or sent where nobody answers, and the queue has not seen the answer. */
  readonly when: "before" | "after";
}

const PRELOAD = new URL("./kill-at.mjs", import.meta.url);

export class MortalQueue {
  readonly #stack: Stack;
  readonly #pointFile: string;
  #running: Running | undefined;

  /** The stack's own queue has stopped before. */
  constructor(stack: Stack) {
    this.#stack = stack;
    this.#pointFile = stack.path("kill-at.json");
  }

  /** Resolves when it answers. */
  async start(config: string): Promise<void> {
    const env = { CB_KILL_AT: this.#pointFile };
    this.#running = this.#stack.start("cb-queue", ["--config", config], { env, preload: PRELOAD });
    await this.#running.seen(/cb-queue answers/);
  }

  /** From now on it dies when it comes to that point. */
  dieAt({ subject, payload = /(?:)/, when }: KillPoint): void {
    writeFileSync(this.#pointFile, JSON.stringify({ subject: subject.source, payload: payload.source, when }));
  }

  /** Resolves when it has logged that. */
  logs(pattern: RegExp): Promise<string> {
    return this.#queue().seen(pattern);
  }

  /** Resolves at its end, with what it logged and how it ended. */
  async ended(): Promise<Finished> {
    const { finished } = this.#queue();
    return await finished;
  }

  /** At any moment. */
  async kill(signal: NodeJS.Signals = "SIGKILL"): Promise<Finished> {
    this.#queue().kill(signal);
    return await this.ended();
  }

  /** At the end of a test that may have failed anywhere. */
  async stop(): Promise<void> {
    rmSync(this.#pointFile, { force: true });
    if (this.#running !== undefined) await this.kill("SIGTERM");
  }

  #queue(): Running {
    if (this.#running === undefined) throw new Error("the queue has not been started");
    return this.#running;
  }
}
