/** Shows the progress of a build: a step for each state, further attempts, and the time left. */
import type { BuildState, FinalState } from "../../protocol/build-messages.ts";
import type { Steps } from "../terminal.ts";
import { duration } from "../text/progress.ts";

/** The step from the request, or the loss of a builder, to the lease. */
export const REQUESTING = "Requesting remote builder";

/** On a terminal, the time that a build has waited is shown anew each second. */
const WAITED_INTERVAL_MS = 1_000;

export interface BuildStepsOptions {
  readonly timeLeft: TimeLeft | undefined;
  /** The builder unpacks files of the caller before it builds. */
  readonly hasContext: boolean;
}

/** The states shown here. The transfer of the image has steps of its own. */
type ShownState = Exclude<BuildState, FinalState | { state: "uploading" }>;

export class BuildSteps {
  readonly #steps: Steps;
  readonly #timeLeft: TimeLeft | undefined;
  readonly #hasContext: boolean;
  #waitingSinceMs = performance.now();
  #waitingTimer: NodeJS.Timeout | undefined;
  #attempt = 0;
  /** The builder of the current attempt was lost. */
  #builderLost = false;
  #isContextOpen = false;

  constructor(steps: Steps, { timeLeft, hasContext }: BuildStepsOptions) {
    this.#steps = steps;
    this.#timeLeft = timeLeft;
    this.#hasContext = hasContext;
  }

  /** The number of the current attempt, 0 before the first lease. */
  get attempt(): number {
    return this.#attempt;
  }

  /** Returns true if this state shows that the previous builder was lost; the image of that attempt is then void. */
  show(state: ShownState): boolean {
    if (state.state === "building") {
      // A hostile builder may publish it twice; then no step is open.
      if (this.#isContextOpen) this.#steps.complete("Completed");
      this.#isContextOpen = false;
      return false;
    }
    return state.state === "queued" ? this.#showQueued(state) : this.#showLeased(state);
  }

  /** Ends the display of the time waited. */
  close(): void {
    clearInterval(this.#waitingTimer);
  }

  #showQueued({ position, waiting, reason }: Extract<ShownState, { state: "queued" }>): boolean {
    const builderLost = this.#attempt > 0 && !this.#builderLost;
    if (builderLost) this.#restart();
    const place = waiting === undefined ? `position ${position}` : `${position} of ${waiting}`;
    this.#showWaiting(`${place}, ${reason}`);
    return builderLost;
  }

  #showWaiting(text: string): void {
    const show = () => {
      const waitedMs = performance.now() - this.#waitingSinceMs;
      this.#steps.update(waitedMs < WAITED_INTERVAL_MS ? text : `${text} (waiting for ${duration(waitedMs)})`);
    };
    this.close();
    show();
    if (this.#steps.isTerminal) this.#waitingTimer = setInterval(show, WAITED_INTERVAL_MS);
  }

  /** The same lease can be published twice, if the queue is killed while it leases. */
  #showLeased(state: Extract<ShownState, { state: "leased" }>): boolean {
    const { attempt, host, limitMs, lost = "the builder was lost" } = state;
    if (attempt <= this.#attempt) return false;
    this.close();
    const builderLost = this.#attempt > 0 && !this.#builderLost;
    if (builderLost) this.#restart();
    this.#builderLost = false;
    this.#attempt = attempt;
    if (attempt > 1) this.#steps.print(`Attempt ${attempt}: ${lost}`);
    this.#steps.complete(`Connected to remote builder: ${host}`);
    if (limitMs !== undefined) this.#timeLeft?.start(limitMs);
    if (!this.#hasContext) return builderLost;
    this.#steps.begin("Transferring build context to builder");
    this.#isContextOpen = true;
    return builderLost;
  }

  #restart(): void {
    this.#isContextOpen = false;
    this.#builderLost = true;
    this.#waitingSinceMs = performance.now();
    this.#timeLeft?.stop();
    this.#steps.begin(REQUESTING);
  }
}

/** Ten minutes: six lines an hour do not hide the build's output. */
const TIME_LEFT_INTERVAL_MS = 10 * 60_000;

/** Prints at intervals how long the build may still run. */
export class TimeLeft {
  readonly #steps: Steps;
  #timer: NodeJS.Timeout | undefined;

  constructor(steps: Steps) {
    this.#steps = steps;
  }

  /** Counts down from `leftMs`. A later call replaces the countdown. */
  start(leftMs: number): void {
    this.stop();
    const endsAtMs = performance.now() + leftMs;
    const print = () => this.#steps.print(`Time left: ${duration(Math.max(0, endsAtMs - performance.now()))}`);
    print();
    this.#timer = setInterval(print, TIME_LEFT_INTERVAL_MS);
  }

  stop(): void {
    clearInterval(this.#timer);
  }
}
