/** One build as its caller lives it: reserve, send the files, watch; cancelled by Ctrl-C. */
import { randomUUID } from "node:crypto";
import { basename } from "node:path";
import type { NatsConnection } from "nats";
import { CbError, messageOf } from "../../core/errors.ts";
import { createKey } from "../../nats/credentials/nkey.ts";
import type { CancelReply, Recipe, ReserveReply, ReserveRequest } from "../../protocol/build-messages.ts";
import { cancel, reserve } from "../../protocol/requests.ts";
import type { Context } from "../../recipe/context/find.ts";
import { cancelSignal, Interrupted } from "../interrupt.ts";
import { type Window, watchWindow } from "../watch/terminal-size.ts";
import { type Watcher, watchBuild } from "../watch/watch-build.ts";
import { connectToBuild } from "./build-connection.ts";
import { offerContext, sendContext } from "./send-context.ts";

export interface BuildOrder extends Watcher {
  readonly recipe: Recipe;
  /** The files of the caller's that the recipe reads; undefined when it reads none. */
  readonly context: Context | undefined;
  /** What the image is to run on; undefined: as the pool has it. */
  readonly arch: string | undefined;
  /** Undefined: the queue's first of that architecture. */
  readonly pool: string | undefined;
  /** Present: the build gets a pty of this size. */
  readonly terminal: ReserveRequest["terminal"];
  /** Present: the build hears of its changes of size. */
  readonly window: Window | undefined;
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
  const { session, steps, interrupted } = order;
  steps.begin("Requesting remote builder");
  const key = createKey("user");
  const { publicKey } = key;
  interrupted.throwIfAborted();
  const question = await requestOf(order, { request, publicKey });
  const reserving = askToReserve(order, question);
  const { build, jwt } = await orInterrupted(reserving, interrupted);
  steps.line(`Build ID: ${build}`);
  const credential = { jwt, key };
  const sends = question.context?.archive.kind === "object";
  // As in sendOrCancel: a hang-up does not keep the files from being sent.
  const signal = sends ? cancelSignal(interrupted) : interrupted;
  const nc = await connectToBuild({ session, steps, build, credential, signal });
  const unwatch = order.window === undefined ? undefined : watchWindow(order.window, session, build);
  try {
    if (sends) await sendOrCancel(order, nc, build);
    await watchBuild(order, { nc, build, fromNow: false });
  } finally {
    unwatch?.();
    await nc.close();
  }
}

async function requestOf(order: BuildOrder, ids: { request: string; publicKey: string }): Promise<ReserveRequest> {
  const { recipe, context, arch, pool, terminal, imagePath, interrupted } = order;
  return {
    v: 1,
    ...ids,
    recipe,
    ...(context === undefined ? {} : { context: await offerContext(context, interrupted) }),
    ...(arch === undefined ? {} : { arch }),
    ...(pool === undefined ? {} : { pool }),
    ...(terminal === undefined ? {} : { terminal }),
    name: basename(imagePath),
  };
}

/** Without its files the build is of no use to anybody. A hang-up does not stop the sending: the build is to go on. */
async function sendOrCancel(order: BuildOrder, nc: NatsConnection, build: string): Promise<void> {
  const { session, steps, context, interrupted } = order;
  if (context === undefined) return;
  const cancelled = cancelSignal(interrupted);
  try {
    await sendContext(order, { nc, build, context, signal: cancelled });
  } catch (error) {
    if (!cancelled.aborted) session.tell(cancel, { v: 1, target: { kind: "build", id: build } });
    throw error;
  }
  interrupted.throwIfAborted();
  steps.begin("Requesting remote builder");
}

/**
 * A queue that is just being started again is asked again, for the same build. One that has not answered by then may
 * still take the request up later: it is told that nobody waits.
 */
async function askToReserve(order: BuildOrder, question: ReserveRequest): Promise<ReserveReply> {
  const { session, steps, interrupted } = order;
  let told = false;
  const onSilent = (why: string) => {
    steps.news(why);
    // It may be the wrong address, which nobody should learn after twenty seconds only.
    if (!told) steps.line(`asked over NATS at ${session.address.url}; ${session.origin}`);
    told = true;
  };
  try {
    return await session.askThroughRestart(reserve, question, { signal: interrupted, onSilent });
  } catch (error) {
    const silent = error instanceof CbError && error.kind === "unreachable";
    if (silent) session.tell(cancel, { v: 1, target: { kind: "request", id: question.request } });
    throw error;
  }
}

/** A second Ctrl-C leaves at once. */
const askToCancel = ({ session, steps }: BuildOrder, request: string): Promise<CancelReply> =>
  session.askThroughRestart(
    cancel,
    { v: 1, target: { kind: "request", id: request } },
    { onSilent: () => steps.news("the queue does not answer, asking again; Ctrl-C leaves without") },
  );

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
      hint: "the build may go on until it ends; cb-builds shows it, cb-cancel ends it",
      cause: error,
    });
  }
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
