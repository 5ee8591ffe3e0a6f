/** Log lines for refused requests: the first few of each subject in full, then the number of all. */
import type { Clock } from "../../core/clock.ts";
import type { CbError } from "../../core/errors.ts";
import type { Logger } from "../../core/log.ts";

/** The time for which refusals are counted together. A faulty program repeats its request, and one line is enough. */
const WINDOW_MS = 60_000;
/** Lines for one subject in one window: enough to see the fault. */
const LINES_MAX = 5;
/** Subjects that are counted apart in one window, so that many principals fill neither memory nor log. */
const SUBJECTS_MAX = 100;

export class RefusalLog {
  readonly #clock: Clock;
  readonly #log: Logger;
  /** Refusals in this window, by subject. */
  readonly #counts = new Map<string, number>();
  /** Refusals in this window on subjects beyond `SUBJECTS_MAX`. */
  #others = 0;
  #windowStartMs = 0;

  constructor({ clock, log }: { readonly clock: Clock; readonly log: Logger }) {
    this.#clock = clock;
    this.#log = log;
  }

  add(subject: string, error: CbError): void {
    if (this.#counts.size === 0) this.#windowStartMs = this.#clock.nowMs();
    const before = this.#counts.get(subject);
    if (before === undefined && this.#counts.size >= SUBJECTS_MAX) {
      this.#others += 1;
      return;
    }
    this.#counts.set(subject, (before ?? 0) + 1);
    if ((before ?? 0) >= LINES_MAX) return;
    const isQueueFault = error.cause !== undefined && ["infrastructure", "unreachable"].includes(error.kind);
    const { kind, message: reason, cause: err } = error;
    this.#log[isQueueFault ? "error" : "warn"]({ subject, kind, reason, err }, "refused");
  }

  /** Flushes a window that is over. A clock that was set back ends the window, too. */
  flushIfDue(): void {
    const ageMs = this.#clock.nowMs() - this.#windowStartMs;
    if (this.#counts.size > 0 && (ageMs >= WINDOW_MS || ageMs < 0)) this.flush();
  }

  /** Ends the window, and logs the counts of the subjects that had more refusals than lines. */
  flush(): void {
    const beyondLines = [...this.#counts].filter(([, count]) => count > LINES_MAX);
    const others = this.#others;
    this.#counts.clear();
    this.#others = 0;
    if (beyondLines.length === 0 && others === 0) return;
    this.#log.warn({ counts: Object.fromEntries(beyondLines), others }, "more requests were refused than are logged");
  }
}
