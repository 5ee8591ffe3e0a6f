/** A build as somebody sees it who watches: its output, its states, and in the end its image in its place. */
import type { NatsConnection } from "nats";
import type { BuildState, FinalState } from "../bus/build-messages.ts";
import type { StoredObject } from "../bus/object-layout.ts";
import { received } from "../bus/registry.ts";
import { CbError } from "../errors.ts";
import { fetchImage } from "./fetch-image.ts";
import { followBuild } from "./follow.ts";
import type { Session } from "./session.ts";
import type { Steps } from "./terminal.ts";
import type { TimeLeft } from "./time-left.ts";

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
  const { steps, write, interrupted } = watcher;
  let image: Promise<StoredObject> | undefined;
  const gone = new AbortController();
  const signal = AbortSignal.any([interrupted, gone.signal]);
  const events = followBuild(nc, { build, fromNow, signal: interrupted, onWaiting: waitingNote(steps) });
  try {
    for await (const event of events) {
      if (event.kind === "log") await write(event.bytes);
      // A builder says it once; one that says it again is not believed.
      else if (event.state.state === "uploading") {
        image ??= startFetch(watcher, { nc, build, announced: event.state, signal });
      } else if (showState(watcher, event.state)) await checkImage(succeeded(event.state), image);
    }
    interrupted.throwIfAborted();
  } catch (error) {
    gone.abort(error);
    await image?.catch(() => undefined);
    throw error;
  }
}

/** What stands in its place is what the queue was told of. */
async function checkImage({ digest }: Succeeded, image: Promise<StoredObject> | undefined): Promise<void> {
  const stored = await image;
  if (stored?.digest === digest) return;
  const message =
    stored === undefined ? "the build succeeded without an image" : "another image came than was announced";
  throw new CbError("infrastructure", message, { hint: "do not use the file; build again" });
}

/** A fetch that fails is looked at when the build has ended: until then nobody awaits it. */
function startFetch(watcher: Watcher, what: Parameters<typeof fetchImage>[1]): Promise<StoredObject> {
  const fetching = fetchImage(watcher, what);
  fetching.catch(() => undefined);
  return fetching;
}

/** True for a final state. */
function showState({ steps, timeLeft }: Watcher, state: BuildState): state is FinalState {
  switch (state.state) {
    case "queued":
      steps.news(`position ${state.position}, ${state.reason}`);
      return false;
    case "leased":
      if (state.attempt > 1) steps.line(`The builder was lost; this is attempt ${state.attempt}`);
      if (state.attempt > 1) steps.begin("Requesting remote builder");
      steps.done(`Connected to remote builder: ${state.host}`);
      if (state.limitMs !== undefined) timeLeft?.begin(state.limitMs);
      steps.begin("Transferring build context to builder");
      return false;
    case "building":
      steps.done("Completed");
      return false;
    case "uploading":
      return false;
    default:
      return true;
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

function waitingNote(steps: Steps): (silentMs: number) => void {
  let told = false;
  return (silentMs) => {
    if (silentMs > 0 && !told) steps.line("NATS does not answer; the build goes on, waiting for it");
    if (silentMs === 0 && told) steps.line("NATS answers again");
    told = silentMs > 0;
  };
}
