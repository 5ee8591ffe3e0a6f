/** Watches a build: prints its output and its states, and fetches its image. */
import type { NatsConnection } from "nats";
import { CbError } from "../../core/errors.ts";
import { type FinalState, isFinal, type Recipe } from "../../protocol/build-messages.ts";
import { received } from "../../protocol/requests.ts";
import { buildFailed } from "../report/build-failed.ts";
import type { Session } from "../session.ts";
import { onOutputFailure, outputFailure } from "../standard-output.ts";
import { Steps } from "../terminal.ts";
import { BuildSteps, type TimeLeft } from "./build-steps.ts";
import { endOfCutLog, finalStateError } from "./cut-log.ts";
import { followBuild, LogCut } from "./follow.ts";
import { ImageFetch, type ImageTarget } from "./image-fetch.ts";
import { ImageToOutput } from "./image-to-output.ts";
import { outageNotice } from "./outage-notice.ts";

export interface Watcher extends ImageTarget {
  readonly session: Session;
  /** For the line of a Dockerfile that failed. */
  readonly recipe?: Recipe;
  /** The recipe reads files of the caller, which the builder unpacks before it builds. */
  readonly hasContext?: boolean;
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
  /** It has ended before this call, so its states are no steps of this call. */
  readonly hasEnded?: boolean;
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

async function showUntilEnd(watcher: Watcher, watched: WatchedBuild): Promise<void> {
  const { interrupted, session, report, imagePath } = watcher;
  const onWaiting = outageNotice(watcher.steps);
  const source = { nc: watched.nc, build: watched.build, onWaiting };
  const image = imagePath === "-" ? new ImageToOutput(watcher, source) : new ImageFetch(watcher, source);
  try {
    const final = await showStates({ watcher, watched, image, onWaiting });
    interrupted.throwIfAborted();
    // The reader of the log has ended, so that it cannot take the time of the transfer for an outage.
    if (final !== undefined)
      report.placed({ path: imagePath, ...(await image.place(succeeded(final, watcher).digest)) });
  } catch (error) {
    await image.discard();
    throw error instanceof LogCut ? await endOfCutLog(session, error) : error;
  }
}

interface Showing {
  readonly watcher: Watcher;
  readonly watched: WatchedBuild;
  readonly image: ImageFetch | ImageToOutput;
  readonly onWaiting: (silentMs: number) => void;
}

/** Resolves with the final state; undefined after `interrupted`. */
async function showStates({ watcher, watched, image, onWaiting }: Showing): Promise<FinalState | undefined> {
  const { steps, timeLeft, write, interrupted, report, hasContext = false } = watcher;
  const { nc, build, fromNow, hasEnded = false } = watched;
  const shown = hasEnded ? new Steps({ write: () => undefined }) : steps;
  const buildSteps = new BuildSteps(shown, { timeLeft: hasEnded ? undefined : timeLeft, hasContext });
  try {
    for await (const event of followBuild(nc, { build, fromNow, signal: interrupted, onWaiting })) {
      if (event.kind === "log") {
        report.output(event.bytes);
        await write(event.bytes);
        continue;
      }
      const { state } = event;
      report.changed(state, event.atMs);
      if (isFinal(state)) return state;
      if (state.state === "uploading") await image.start(state, buildSteps.attempt);
      else if (buildSteps.show(state)) await image.discard();
    }
  } finally {
    buildSteps.close();
  }
  return undefined;
}

type Succeeded = Extract<FinalState, { state: "succeeded" }>;

/** Throws the error of any other final state. */
function succeeded(final: FinalState, { report, recipe }: Watcher): Succeeded {
  if (final.state === "succeeded") return final;
  if (final.state === "failed") throw buildFailed(final.reason, report, recipe);
  throw finalStateError(final.state, final.reason);
}
