/** How a transfer is getting on, for whoever watches: a bar on a terminal, now and then a line elsewhere. */

import type { Steps } from "../terminal.ts";
import { progressLine } from "../text/progress.ts";

/** A bar that moves ten times a second looks alive; a log line each 10 s is enough for a file. */
const BAR_MS = 100;
const LINE_MS = 10_000;

/** Shows how one transfer is getting on, as the step under way. */
export class TransferProgress {
  readonly #steps: Steps;
  /** A long title would leave no room for the bar. */
  readonly #columns: number;
  readonly #totalBytes: number;
  readonly #startedMs = performance.now();
  #shownMs: number;

  constructor(steps: Steps, title: string, totalBytes: number) {
    this.#steps = steps;
    this.#columns = steps.columns - `${title}: `.length - 1;
    this.#totalBytes = totalBytes;
    this.#shownMs = steps.isTerminal ? Number.NEGATIVE_INFINITY : this.#startedMs;
  }

  moved(doneBytes: number): void {
    const nowMs = performance.now();
    if (nowMs - this.#shownMs < (this.#steps.isTerminal ? BAR_MS : LINE_MS)) return;
    this.#shownMs = nowMs;
    const elapsedMs = nowMs - this.#startedMs;
    this.#steps.news(progressLine({ doneBytes, totalBytes: this.#totalBytes, elapsedMs }, this.#columns));
  }

  bytesPerSecond(doneBytes: number): number {
    return (doneBytes * 1000) / Math.max(performance.now() - this.#startedMs, 1);
  }
}
