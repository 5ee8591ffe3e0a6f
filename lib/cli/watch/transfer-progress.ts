/** Shows the progress of a transfer in the current step: a bar on a terminal, a line at intervals elsewhere. */
import type { Steps } from "../terminal.ts";
import { progressLine } from "../text/progress.ts";
import { columnsOf } from "../text/width.ts";

/** Ten updates a second appear continuous. */
const BAR_INTERVAL_MS = 100;
/** One line in 10 s is enough for a log file. */
const LINE_INTERVAL_MS = 10_000;

/** The shortest title, `Tra…: `, and the last column, which stays empty. */
const RESERVED_COLUMNS = 7;

export class TransferProgress {
  readonly #steps: Steps;
  /** In excess of the reserved columns. */
  readonly #titleColumns: number;
  readonly #totalBytes: number;
  readonly #startedMs = performance.now();
  #shownMs: number;

  constructor(steps: Steps, title: string, totalBytes: number) {
    this.#steps = steps;
    this.#titleColumns = Math.max(0, columnsOf(`${title}: `) + 1 - RESERVED_COLUMNS);
    this.#totalBytes = totalBytes;
    this.#shownMs = steps.isTerminal ? Number.NEGATIVE_INFINITY : this.#startedMs;
  }

  show(doneBytes: number): void {
    const nowMs = performance.now();
    if (nowMs - this.#shownMs < (this.#steps.isTerminal ? BAR_INTERVAL_MS : LINE_INTERVAL_MS)) return;
    this.#shownMs = nowMs;
    const elapsedMs = nowMs - this.#startedMs;
    const transfer = { doneBytes, totalBytes: this.#totalBytes, elapsedMs };
    // The user may change the size of the terminal at any time.
    const columns = this.#steps.columns - RESERVED_COLUMNS;
    this.#steps.update(progressLine(transfer, columns, this.#titleColumns));
  }

  bytesPerSecond(doneBytes: number): number {
    return (doneBytes * 1000) / Math.max(performance.now() - this.#startedMs, 1);
  }
}
