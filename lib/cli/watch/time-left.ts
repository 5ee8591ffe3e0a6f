/** How long a build may still run, said on standard error now and then to who asked for more words. */

import type { Steps } from "../terminal.ts";
import { duration } from "../text/progress.ts";

/** Six lines an hour do not hide the output. */
const EVERY_MS = 10 * 60_000;

export class TimeLeft {
  readonly #steps: Steps;
  #timer: NodeJS.Timeout | undefined;

  constructor(steps: Steps) {
    this.#steps = steps;
  }

  /** Counts from now; a later call counts anew. */
  begin(leftMs: number): void {
    this.end();
    const endsAtMs = performance.now() + leftMs;
    const say = () => this.#steps.line(`Time left: ${duration(Math.max(0, endsAtMs - performance.now()))}`);
    say();
    this.#timer = setInterval(say, EVERY_MS);
  }

  end(): void {
    clearInterval(this.#timer);
  }
}
