/** Watches a build: prints its output and its states, and fetches its image. */
import type { NatsConnection } from "nats";
import { CbError } from "../../core/errors.ts";
import { type FinalState, isFinal } from "../../protocol/build-messages.ts";
import { received } from "../../protocol/requests.ts";
import type { Session } from "../session.ts";
import { onOutputFailure, outputFailure } from "../standard-output.ts";
import { BuildSteps, outageNotice, type TimeLeft } from "./build-steps.ts";
import { followBuild } from "./follow.ts";
import { ImageFetch, type ImageTarget } from "./image-fetch.ts";

export interface Watcher extends ImageTarget {
  readonly session: Session;
  /** Receives the build's output. */
  readonly write: (bytes: Uint8Array) => Promise<void>;
  /** If present, shows how long the build may still run. */
  readonly timeLeft: TimeLeft | undefined;
}

export interface WatchedBuild {
  /** A connection with the credential of this build. */
  readonly nc: NatsConnection;
  readonly build: string;
  /** True: skip the output from before this call. */
  readonly fromNow: boolean;
}

/** 10 s: the user has the image and should not wait for long, and a restarted queue answers within that time. */
const RECEIVED_RETRY = { limitMs: 10_000, onNoReply: () => undefined };

/**
 * Resolves when the image is at its path. Throws CbError "recipe" when the recipe failed, "infrastructure" when the build was
 * lost, "cancelled", "output" when the image cannot be written, and the reason of `interrupted`.
 */
export async function watchBuild(watcher: Watcher, watched: WatchedBuild): Promise<void> {
  const { session, steps, imagePath } = watcher;
  onOutputFailure(({ message }) => steps.print(`${message}; the build goes on without output`));
  try {
    await showUntilEnd(watcher, watched);
  } finally {
    watcher.timeLeft?.stop();
  }
  const failure = outputFailure();
  if (failure !== undefined) {
    const hint = `the image is complete; for the output run: cb-attach --force ${watched.build} ${imagePath}`;
    throw new CbError("output", `build ${watched.build} succeeded: ${failure.message}`, { hint, cause: failure });
  }
  // A failure is ignored, because the image is already here. Without this request the queue keeps its copy for a while.
  await session.requestThroughRestart(received, { v: 1, build: watched.build }, RECEIVED_RETRY).catch(() => undefined);
}

async function showUntilEnd(watcher: Watcher, { nc, build, fromNow }: WatchedBuild): Promise<void> {
  const { steps, timeLeft, write, interrupted } = watcher;
  const buildSteps = new BuildSteps(steps, timeLeft);
  const image = new ImageFetch(watcher, { nc, build });
  const events = followBuild(nc, { build, fromNow, signal: interrupted, onWaiting: outageNotice(steps) });
  try {
    for await (const event of events) {
      if (event.kind === "log") await write(event.bytes);
      else if (isFinal(event.state)) await image.verify(succeeded(event.state).digest);
      else if (event.state.state === "uploading") image.start(event.state, buildSteps.attempt);
      else if (buildSteps.show(event.state)) await image.discard();
    }
    interrupted.throwIfAborted();
  } catch (error) {
    await image.discard();
    throw error;
  }
}

type Succeeded = Extract<FinalState, { state: "succeeded" }>;

/** Throws the error of any other final state. */
function succeeded(final: FinalState): Succeeded {
  if (final.state === "failed") throw new CbError("recipe", `the build failed: ${final.reason}`);
  if (final.state === "cancelled") throw new CbError("cancelled", `the build was ${final.reason}`);
  if (final.state === "succeeded") return final;
  throw new CbError("infrastructure", `the build was lost: ${final.reason}`, { hint: "the same call may work now" });
}
