/** Shows the progress of a transfer in the current step: a bar on a terminal, a line at intervals elsewhere. */
import type { Steps } from "../terminal.ts";
import { progressLine } from "../text/progress.ts";
import { columnsOf } from "../text/width.ts";

/** Ten updates a second appear continuous. */
const BAR_INTERVAL_MS = 100;
/** One line in 10 s is enough for a log file. */
const LINE_INTERVAL_MS = 10_000;

/** Percentage, sizes, rate and time left without a bar. A long title is shortened for them. */
const TEXT_COLUMNS = 55;

export class TransferProgress {
  readonly #steps: Steps;
  readonly #title: string;
  readonly #totalBytes: number;
  readonly #startedMs = performance.now();
  #shownMs: number;

  constructor(steps: Steps, title: string, totalBytes: number) {
    this.#steps = steps;
    this.#title = title;
    this.#totalBytes = totalBytes;
    this.#shownMs = steps.isTerminal ? Number.NEGATIVE_INFINITY : this.#startedMs;
  }

  show(doneBytes: number): void {
    const nowMs = performance.now();
    if (nowMs - this.#shownMs < (this.#steps.isTerminal ? BAR_INTERVAL_MS : LINE_INTERVAL_MS)) return;
    this.#shownMs = nowMs;
    const elapsedMs = nowMs - this.#startedMs;
    this.#steps.update(progressLine({ doneBytes, totalBytes: this.#totalBytes, elapsedMs }, this.#columns()));
  }

  /** The width that the step's title leaves for the bar. The user may change the size of the terminal at any time. */
  #columns(): number {
    const { columns } = this.#steps;
    return Math.max(columns - columnsOf(`${this.#title}: `) - 1, Math.min(TEXT_COLUMNS, columns - 1));
  }

  bytesPerSecond(doneBytes: number): number {
    return (doneBytes * 1000) / Math.max(performance.now() - this.#startedMs, 1);
  }
}
