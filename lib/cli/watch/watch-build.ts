/** A build as somebody sees it who watches: its output, its states, and in the end its image in its place. */
import type { NatsConnection } from "nats";
import { CbError } from "../../core/errors.ts";
import { type FinalState, isFinal } from "../../protocol/build-messages.ts";
import { received } from "../../protocol/requests.ts";
import type { Session } from "../session.ts";
import type { Steps } from "../terminal.ts";
import { BuildSteps } from "./build-steps.ts";
import { followBuild } from "./follow.ts";
import { ImageFetch } from "./image-fetch.ts";
import type { TimeLeft } from "./time-left.ts";
import { waitingNote } from "./waiting-note.ts";

export interface Watcher {
  readonly session: Session;
  readonly steps: Steps;
  /** Absolute. */
  readonly imagePath: string;
  readonly force: boolean;
  /** Takes the build's output. */
  readonly write: (bytes: Uint8Array) => Promise<void>;
  /** Aborted with an Interrupted. */
  readonly interrupted: AbortSignal;
  /** Present: is told how long the build may run. */
  readonly timeLeft: TimeLeft | undefined;
}

export interface Watched {
  /** With the credential of this build. */
  readonly nc: NatsConnection;
  readonly build: string;
  /** True: the output of before is passed over. */
  readonly fromNow: boolean;
}

/** The person has what they wanted, and should not wait for long; a queue that is just being started again is back by then. */
const RECEIVED_PATIENCE = { limitMs: 10_000, onSilent: () => undefined };

/**
 * Resolves when the image stands in its place. Throws CbError "recipe" when the recipe failed, "infrastructure" when the
 * build was lost, "cancelled", "output" when the image cannot be written, and what `interrupted` aborts with.
 */
export async function watchBuild(watcher: Watcher, watched: Watched): Promise<void> {
  try {
    await follow(watcher, watched);
  } finally {
    watcher.timeLeft?.end();
  }
  // The image is here, whatever the queue says to that; without a word from us it is kept there for a while.
  const tell = watcher.session.askThroughRestart(received, { v: 1, build: watched.build }, RECEIVED_PATIENCE);
  await tell.catch(() => undefined);
}

async function follow(watcher: Watcher, { nc, build, fromNow }: Watched): Promise<void> {
  const { steps, timeLeft, write, interrupted } = watcher;
  const course = new BuildSteps(steps, timeLeft);
  const image = new ImageFetch(watcher, { nc, build });
  const events = followBuild(nc, { build, fromNow, signal: interrupted, onWaiting: waitingNote(steps) });
  try {
    for await (const event of events) {
      if (event.kind === "log") await write(event.bytes);
      else if (isFinal(event.state)) await image.check(succeeded(event.state).digest);
      else if (event.state.state === "uploading") image.announced(event.state, course.attempt);
      else if (course.show(event.state)) await image.drop();
    }
    interrupted.throwIfAborted();
  } catch (error) {
    await image.drop();
    throw error;
  }
}

type Succeeded = Extract<FinalState, { state: "succeeded" }>;

/** Throws what any other end means for the caller. */
function succeeded(final: FinalState): Succeeded {
  if (final.state === "failed") throw new CbError("recipe", `the build failed: ${final.reason}`);
  if (final.state === "cancelled") throw new CbError("cancelled", `the build was ${final.reason}`);
  if (final.state === "succeeded") return final;
  throw new CbError("infrastructure", `the build was lost: ${final.reason}`, { hint: "the same call may work now" });
}
