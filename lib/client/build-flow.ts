/** One build as its caller lives it: reserve, wait, watch, fetch. */
import { randomUUID } from "node:crypto";
import type { NatsConnection } from "nats";
import { createKey } from "../auth/nkey.ts";
import type { BuildState, CancelReply, FinalState, ReserveReply, ReserveRequest } from "../bus/build-messages.ts";
import { connectBus } from "../bus/connect.ts";
import type { StoredObject } from "../bus/object-layout.ts";
import { cancel, received, reserve } from "../bus/registry.ts";
import { CbError, messageOf } from "../errors.ts";
import { fetchImage } from "./fetch-image.ts";
import { followBuild } from "./follow.ts";
import { Interrupted } from "./interrupt.ts";
import type { Recipe } from "./preflight.ts";
import type { Session } from "./session.ts";
import type { Steps } from "./terminal.ts";

export interface BuildOrder {
  readonly session: Session;
  readonly steps: Steps;
  readonly recipe: Recipe;
  /** Absolute. */
  readonly imagePath: string;
  readonly force: boolean;
  /** Present: the build gets a pty of this size. */
  readonly terminal: ReserveRequest["terminal"];
  /** Takes the build's output. */
  readonly write: (bytes: Uint8Array) => Promise<void>;
  /** Aborted with an Interrupted. */
  readonly interrupted: AbortSignal;
}

/**
 * Resolves when the image stands in its place. Throws CbError "recipe" when the recipe failed, "infrastructure" when
 * the build was lost, "cancelled", "output" when the image cannot be written; Interrupted after a hang-up.
 */
export async function buildFlow(order: BuildOrder): Promise<void> {
  const request = randomUUID();
  try {
    await reserveAndFollow(order, request);
  } catch (error) {
    if (!order.interrupted.aborted) throw error;
    const reason: unknown = order.interrupted.reason;
    if (reason instanceof Interrupted && reason.meaning === "cancel") throw await cancelBuild(order, request);
    throw reason;
  }
}

async function reserveAndFollow(order: BuildOrder, request: string): Promise<void> {
  const { session, steps, recipe, terminal, interrupted } = order;
  steps.begin("Requesting remote builder");
  const key = createKey("user");
  const { publicKey } = key;
  interrupted.throwIfAborted();
  const reserving = askToReserve(session, {
    v: 1,
    request,
    publicKey,
    recipe,
    ...(terminal === undefined ? {} : { terminal }),
  });
  const { build, jwt } = await orInterrupted(reserving, interrupted);
  const credential = { jwt, key };
  const nc = await connectBus({ address: session.address, credential, name: `build ${build}` });
  try {
    await follow(order, nc, build);
    // The image is here, whatever the queue says to that; without a word from us it is kept there for a while.
    await session.ask(received, { v: 1, build }).catch(() => undefined);
  } finally {
    await nc.close();
  }
}

/** A queue that has not answered in time may still take the request up later: it is told that nobody waits. */
async function askToReserve(session: Session, question: ReserveRequest): Promise<ReserveReply> {
  try {
    return await session.ask(reserve, question);
  } catch (error) {
    const silent = error instanceof CbError && error.kind === "unreachable";
    if (silent) session.tell(cancel, { v: 1, target: { kind: "request", id: question.request } });
    throw error;
  }
}

async function follow(order: BuildOrder, nc: NatsConnection, build: string): Promise<void> {
  const { steps, write, interrupted } = order;
  let image: Promise<StoredObject> | undefined;
  const gone = new AbortController();
  const signal = AbortSignal.any([interrupted, gone.signal]);
  try {
    for await (const event of followBuild(nc, { build, signal: interrupted, onWaiting: waitingNote(steps) })) {
      if (event.kind === "log") await write(event.bytes);
      // A builder says it once; one that says it again is not believed.
      else if (event.state.state === "uploading") {
        image ??= startFetch(order, { nc, build, announced: event.state, signal });
      } else if (showState(steps, event.state)) await checkImage(succeeded(event.state), image);
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
function startFetch(order: BuildOrder, what: Parameters<typeof fetchImage>[1]): Promise<StoredObject> {
  const fetching = fetchImage(order, what);
  fetching.catch(() => undefined);
  return fetching;
}

/** True for a final state. */
function showState(steps: Steps, state: BuildState): state is FinalState {
  switch (state.state) {
    case "queued":
      steps.news(`position ${state.position}, ${state.reason}`);
      return false;
    case "leased":
      if (state.attempt > 1) steps.line(`The builder was lost; this is attempt ${state.attempt}`);
      if (state.attempt > 1) steps.begin("Requesting remote builder");
      steps.done(`Connected to remote builder: ${state.host}`);
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

/** Of five seconds each: a queue or a NATS that restarts is back by then, and a second Ctrl-C leaves at once. */
const CANCEL_TRIES = 4;

async function askToCancel({ session, steps }: BuildOrder, request: string): Promise<CancelReply> {
  for (let tries = 1; ; tries++) {
    try {
      return await session.ask(cancel, { v: 1, target: { kind: "request", id: request } });
    } catch (error) {
      const silent = error instanceof CbError && error.kind === "unreachable";
      if (!silent || tries === CANCEL_TRIES) throw error;
      steps.news("the queue does not answer, asking again; Ctrl-C leaves without");
    }
  }
}

/** The error to leave with, once the queue knows that nobody wants the build. */
async function cancelBuild(order: BuildOrder, request: string): Promise<CbError> {
  const { steps } = order;
  steps.begin("Cancelling the build");
  try {
    const { state } = await askToCancel(order, request);
    steps.done(state === "cancelled" ? "Completed" : `it had ${state}`);
    return new CbError("cancelled", "cancelled");
  } catch (error) {
    if (error instanceof CbError && error.kind === "usage")
      return new CbError("cancelled", "cancelled before it began");
    steps.done("failed");
    return new CbError("cancelled", `the queue could not be told: ${messageOf(error)}`, {
      hint: "the build may go on until it ends; its image is then thrown away",
      cause: error,
    });
  }
}

function waitingNote(steps: Steps): (silentMs: number) => void {
  let told = false;
  return (silentMs) => {
    if (silentMs > 0 && !told) steps.line("NATS does not answer; the build goes on, waiting for it");
    if (silentMs === 0 && told) steps.line("NATS answers again");
    told = silentMs > 0;
  };
}

/** The promise's value, unless the person is faster. */
function orInterrupted<T>(promise: Promise<T>, interrupted: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const stop = () => reject(interrupted.reason);
    if (interrupted.aborted) return stop();
    interrupted.addEventListener("abort", stop, { once: true });
    promise.then(resolve, reject).finally(() => interrupted.removeEventListener("abort", stop));
  });
}
