/** How a build is getting on, a line for each step; and another attempt when its builder was lost. */
import type { BuildState, FinalState } from "../../protocol/build-messages.ts";
import type { Steps } from "../terminal.ts";
import type { TimeLeft } from "./time-left.ts";

const REQUESTING = "Requesting remote builder";

/** States that are news of the build itself; an image on its way has steps of its own. */
type Course = Exclude<BuildState, FinalState | { state: "uploading" }>;

export class BuildSteps {
  readonly #steps: Steps;
  readonly #timeLeft: TimeLeft | undefined;
  #attempt = 0;
  /** The builder of this attempt was lost. */
  #lost = false;

  constructor(steps: Steps, timeLeft: TimeLeft | undefined) {
    this.#steps = steps;
    this.#timeLeft = timeLeft;
  }

  /** 0 before the first lease. */
  get attempt(): number {
    return this.#attempt;
  }

  /** True when the builder of before was lost, and what came of it is of no use. */
  show(state: Course): boolean {
    if (state.state === "building") {
      this.#steps.done("Completed");
      return false;
    }
    return state.state === "queued" ? this.#queued(state) : this.#leased(state);
  }

  #queued({ position, reason }: Extract<Course, { state: "queued" }>): boolean {
    const lost = this.#attempt > 0 && !this.#lost;
    if (lost) this.#requestAgain();
    this.#steps.news(`position ${position}, ${reason}`);
    return lost;
  }

  /** A queue that was killed while it leased may say it twice. */
  #leased({
    attempt,
    host,
    limitMs,
    lost: why = "the builder was lost",
  }: Extract<Course, { state: "leased" }>): boolean {
    if (attempt <= this.#attempt) return false;
    const lost = this.#attempt > 0 && !this.#lost;
    if (lost) this.#requestAgain();
    this.#lost = false;
    this.#attempt = attempt;
    if (attempt > 1) this.#steps.line(`Attempt ${attempt}: ${why}`);
    this.#steps.done(`Connected to remote builder: ${host}`);
    if (limitMs !== undefined) this.#timeLeft?.begin(limitMs);
    this.#steps.begin("Transferring build context to builder");
    return lost;
  }

  #requestAgain(): void {
    this.#lost = true;
    this.#timeLeft?.end();
    this.#steps.begin(REQUESTING);
  }
}
