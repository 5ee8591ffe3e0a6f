/** Runs one build from the client's side: reserves a builder, sends the context, watches the build, cancels it on Ctrl-C. */
import { randomUUID } from "node:crypto";
import type { NatsConnection } from "nats";
import { unlessAborted } from "../../core/abort.ts";
import { CbError, messageOf } from "../../core/errors.ts";
import { createKey } from "../../nats/credentials/nkey.ts";
import type { CancelReply, Recipe, ReserveReply, ReserveRequest } from "../../protocol/build-messages.ts";
import { cancel, reserve } from "../../protocol/requests.ts";
import type { BuildSecrets } from "../../protocol/secret-messages.ts";
import type { Context } from "../../recipe/context/find.ts";
import { cancelSignal, Interrupted } from "../interrupt.ts";
import { storeRenewed } from "../renewed-credential.ts";
import type { Session } from "../session.ts";
import { type TerminalWindow, watchTerminalSize } from "../watch/terminal-size.ts";
import { type Watcher, watchBuild } from "../watch/watch-build.ts";
import { connectToBuild } from "./build-connection.ts";
import { failedShared, forced } from "./same/failed-shared.ts";
import type { SameBuild } from "./same/same-build.ts";
import { sharedText } from "./same/shared-text.ts";
import { sealSecrets } from "./secrets/seal-secrets.ts";
import { offerContext, sendContext } from "./send-context.ts";

export interface BuildOrder extends Watcher {
  readonly recipe: Recipe;
  /** True: end when the build has all that it needs, and let it go on. */
  readonly detach: boolean;
  /** The file name of the image, for cb-builds and cb-attach. */
  readonly name: string;
  /** By which the queue finds an earlier build with the same inputs. */
  readonly same: SameBuild;
  /** True: no layer of an earlier Dockerfile is used either. */
  readonly rebuildLayers: boolean;
  /** The local files that the recipe reads; undefined if it reads none. */
  readonly context: Context | undefined;
  /** Build secrets and logins; undefined if there are none. */
  readonly secrets: BuildSecrets | undefined;
  /** Architecture of the image; undefined: that of the pool. */
  readonly arch: string | undefined;
  /** Undefined: the queue's first pool of that architecture. */
  readonly pool: string | undefined;
  /** debootstrap runs, also where the queue has a tree that it made. */
  readonly noCache: boolean;
  /** If present, the build gets a pty of this size. */
  readonly terminal: ReserveRequest["terminal"];
  /** If present, changes of its size are sent to the build. */
  readonly window: TerminalWindow | undefined;
}

/**
 * Resolves when the image is at its path. Throws CbError "recipe" when the recipe failed, "infrastructure" when the build was
 * lost, "cancelled", "output" when the image cannot be written; Interrupted after a hang-up.
 */
export async function buildFlow(order: BuildOrder): Promise<void> {
  try {
    await buildOnce(order);
  } catch (error) {
    if (order.interrupted.aborted || !failedShared(error, order)) throw error;
    order.steps.print(`the earlier build cannot be used (${messageOf(error)}); building anew`);
    await buildOnce({ ...order, same: forced(order.same) });
  }
}

async function buildOnce(order: BuildOrder): Promise<void> {
  const requestId = randomUUID();
  try {
    await reserveAndWatch(order, requestId);
  } catch (error) {
    if (!order.interrupted.aborted) throw error;
    const reason: unknown = order.interrupted.reason;
    const isCancel = reason instanceof Interrupted && reason.effect === "cancel";
    if (isCancel && !hasImage(order)) throw await cancelBuild(order, requestId);
    order.report.detach();
    throw isCancel ? imageKept(order) : reason;
  }
}

/** The recipe is built, and its image is on its way or complete: to cancel the build now would lose it. */
const hasImage = ({ report: { state } }: BuildOrder): boolean => state === "uploading" || state === "succeeded";

function imageKept({ report, name }: BuildOrder): CbError {
  return new CbError("cancelled", "interrupted while the image was on its way; the queue keeps it (see cb-builds)", {
    hint: `fetch ${name} with: cb-attach ${report.build}`,
  });
}

async function reserveAndWatch(order: BuildOrder, requestId: string): Promise<void> {
  const { session, steps, interrupted, report } = order;
  steps.begin("Requesting remote builder");
  const key = createKey("user");
  interrupted.throwIfAborted();
  const request = await reserveRequest(order, requestId, key.publicKey);
  let sendsContext = request.context?.archive.kind === "object";
  // The build cannot run without its context, so a hang-up stops neither the reservation nor the transfer.
  const signal = sendsContext ? cancelSignal(interrupted) : interrupted;
  const reply = await unlessAborted(requestReservation(order, request, signal), signal);
  const { build, jwt, same, anew, renewedCredential } = reply;
  sendsContext &&= same === undefined;
  report.reserved(build, same);
  await storeRenewed(session, renewedCredential, (line) => steps.print(line));
  if (same !== undefined) steps.print(sharedText(build, same));
  if (anew !== undefined) steps.print(`built anew: ${anew}`);
  steps.print(`Build ID: ${build}`);
  if (order.detach && !sendsContext) return report.detach();
  const connecting = connectToBuild({ session, steps, build, credential: { jwt, key }, signal });
  const nc = await (sendsContext ? orCancel(connecting, { session, requestId, signal }) : connecting);
  // The terminal of a shared build is that of the call that began it.
  const window = same === undefined ? order.window : undefined;
  const stopWatchingSize = window === undefined ? undefined : watchTerminalSize(window, session, build);
  try {
    if (sendsContext) await sendOrCancel(order, { nc, build, requestId });
    if (order.detach) return report.detach();
    const hasEnded = same?.state === "succeeded";
    await watchBuild({ ...order, hasContext: order.context !== undefined }, { nc, build, fromNow: hasEnded, hasEnded });
  } finally {
    stopWatchingSize?.();
    await nc.close();
  }
}

async function reserveRequest(order: BuildOrder, request: string, publicKey: string): Promise<ReserveRequest> {
  const { session, recipe, context, secrets, arch, pool, terminal, name, same, interrupted: signal } = order;
  return {
    v: 1,
    request,
    publicKey,
    recipe,
    ...(context === undefined ? {} : { context: await offerContext(context, { signal, stamp: same.stamp }) }),
    ...(secrets === undefined ? {} : { secrets: await sealSecrets(session, request, secrets) }),
    ...(arch === undefined ? {} : { arch }),
    ...(pool === undefined ? {} : { pool }),
    ...(terminal === undefined ? {} : { terminal }),
    ...(order.noCache ? { noCache: true as const } : {}),
    ...(same.request === undefined ? {} : { same: same.request }),
    ...(order.old === undefined ? {} : { listChunks: true as const }),
    ...(order.rebuildLayers ? { rebuildLayers: true as const } : {}),
    name,
    credential: session.credential.jwt,
  };
}

/** Sends the context. After a failure the build cannot run and is cancelled. */
async function sendOrCancel(order: BuildOrder, { nc, build, requestId }: Sending): Promise<void> {
  const { session, steps, context, same, interrupted } = order;
  if (context === undefined) return;
  const signal = cancelSignal(interrupted);
  const sending = sendContext({ session, steps, nc, build, context, stamp: same.stamp, signal });
  await orCancel(sending, { session, requestId, signal });
  interrupted.throwIfAborted();
  steps.begin("Requesting remote builder");
}

interface Sending {
  readonly nc: NatsConnection;
  readonly build: string;
  readonly requestId: string;
}

interface CancelOnFailure {
  readonly session: Session;
  readonly requestId: string;
  /** After an abort buildFlow sends the cancel itself and waits for the reply. */
  readonly signal: AbortSignal;
}

/** Cancels the request when `part` fails. The queue would keep its bucket until the time limit of the upload. */
async function orCancel<T>(part: Promise<T>, { session, requestId: id, signal }: CancelOnFailure): Promise<T> {
  try {
    return await part;
  } catch (error) {
    if (!signal.aborted) session.publish(cancel, { v: 1, target: { kind: "request", id } });
    throw error;
  }
}

/**
 * Repeats the request while a queue restarts; the request id makes it idempotent. Without a readable reply it is cancelled: the queue
 * may still read the request later, or may have made the reservation. To cancel a refused one has no effect.
 */
async function requestReservation(
  order: BuildOrder,
  request: ReserveRequest,
  signal: AbortSignal,
): Promise<ReserveReply> {
  const { session, steps } = order;
  let printed = false;
  const onNoReply = (message: string) => {
    steps.update(message);
    // The address may be wrong. The user should see it at once, not after the 20 s of the repetition.
    if (!printed) steps.print(`the request was sent to NATS at ${session.address.url}; ${session.origin}`);
    printed = true;
  };
  try {
    return await session.requestThroughRestart(reserve, request, { signal, onNoReply });
  } catch (error) {
    if (!signal.aborted) session.publish(cancel, { v: 1, target: { kind: "request", id: request.request } });
    throw error;
  }
}

/** Has no abort signal: a second Ctrl-C ends the process. */
const requestCancel = ({ session, steps }: BuildOrder, requestId: string): Promise<CancelReply> =>
  session.requestThroughRestart(
    cancel,
    { v: 1, target: { kind: "request", id: requestId } },
    {
      onNoReply: () =>
        steps.update("the queue does not answer, retrying; press Ctrl-C again to exit without cancelling"),
    },
  );

/** Cancels the build and returns the error that the program ends with. */
async function cancelBuild(order: BuildOrder, requestId: string): Promise<CbError> {
  const { steps } = order;
  steps.begin("Cancelling the build");
  try {
    const { state, others = 0 } = await requestCancel(order, requestId);
    if (others > 0) {
      steps.complete(`the build goes on for ${others} other call${others === 1 ? "" : "s"} of yours`);
      return new CbError("cancelled", "cancelled for this call", { hint: "cb-cancel ends the build" });
    }
    steps.complete(state === "cancelled" ? "Completed" : `the build had already ended: ${state}`);
    return new CbError("cancelled", "cancelled");
  } catch (error) {
    if (error instanceof CbError && error.kind === "usage")
      return new CbError("cancelled", "cancelled before it began");
    steps.complete("failed");
    return new CbError("cancelled", `the queue did not confirm the cancel: ${messageOf(error)}`, {
      hint: "the build may still run; cb-builds shows it, cb-cancel ends it",
      cause: error,
    });
  }
}
