/** What was refused, in the log: the first few of each principal in full, and how many more there were. */
import type { CbError } from "../../core/errors.ts";
import type { QueuePorts } from "../ports.ts";

/** One window of counting. A program that is wrong is wrong each time: whoever reads the log needs no line for each. */
const WINDOW_MS = 60_000;
/** Lines for one subject in one window: what is wrong with its messages is seen from some of them. */
const LINES_MAX = 5;
/** Subjects counted apart in one window, so that a crowd fills neither memory nor log. */
const SUBJECTS_MAX = 100;

export class Refusals {
  readonly #ports: Pick<QueuePorts, "clock" | "log">;
  /** Of this window, by subject. */
  readonly #counts = new Map<string, number>();
  /** Refused on subjects beyond the most. */
  #others = 0;
  #sinceMs = 0;

  constructor(ports: Pick<QueuePorts, "clock" | "log">) {
    this.#ports = ports;
  }

  note(subject: string, error: CbError): void {
    if (this.#counts.size === 0) this.#sinceMs = this.#ports.clock.nowMs();
    const before = this.#counts.get(subject);
    if (before === undefined && this.#counts.size >= SUBJECTS_MAX) {
      this.#others += 1;
      return;
    }
    this.#counts.set(subject, (before ?? 0) + 1);
    if ((before ?? 0) >= LINES_MAX) return;
    const ours = error.cause !== undefined && ["infrastructure", "unreachable"].includes(error.kind);
    const { kind, message: reason, cause: err } = error;
    this.#ports.log[ours ? "error" : "warn"]({ subject, kind, reason, err }, "refused");
  }

  /** Ends a window whose time is over, and says how many had no line. A clock that was set back ends it, too. */
  tell(): void {
    const ageMs = this.#ports.clock.nowMs() - this.#sinceMs;
    if (this.#counts.size > 0 && (ageMs >= WINDOW_MS || ageMs < 0)) this.flush();
  }

  flush(): void {
    const more = [...this.#counts].flatMap(([subject, count]) =>
      count > LINES_MAX ? [[subject, count] as const] : [],
    );
    const others = this.#others;
    this.#counts.clear();
    this.#others = 0;
    if (more.length === 0 && others === 0) return;
    this.#ports.log.warn({ counts: Object.fromEntries(more), others }, "more was refused than has a line here");
  }
}
