/** Sends the build context: a small one inside the reservation request, a larger one as an object after it. */
import type { NatsConnection } from "nats";
import { guestAccess } from "../../nats/connection.ts";
import { isMissingForLong } from "../../nats/jetstream/publisher-recovery.ts";
import { StreamNotFound } from "../../nats/jetstream/stream-errors.ts";
import { INLINE_CONTEXT_MAX_BYTES, type ReserveRequest } from "../../protocol/build-messages.ts";
import { sent } from "../../protocol/requests.ts";
import { bucket } from "../../protocol/subjects.ts";
import type { Context } from "../../recipe/context/find.ts";
import { type PackOptions, packContext } from "../../recipe/context/pack.ts";
import { putObject } from "../../transfer/put.ts";
import type { Session } from "../session.ts";
import type { Steps } from "../terminal.ts";
import { size } from "../text/progress.ts";
import { streamInfo } from "../watch/follow.ts";
import { outageNotice } from "../watch/outage-notice.ts";
import { TransferProgress } from "../watch/transfer-progress.ts";

type ContextOffer = NonNullable<ReserveRequest["context"]>;

/** The context's part of the reservation request, with the archive in it if that is small. Throws CbError "usage" as packContext. */
export async function offerContext(context: Context, options: PackOptions): Promise<ContextOffer> {
  const { directory, highestId, maxArchiveBytes } = context;
  if (maxArchiveBytes > INLINE_CONTEXT_MAX_BYTES) {
    return { directory, highestId, archive: { kind: "object", maxBytes: maxArchiveBytes } };
  }
  const pieces: Uint8Array[] = [];
  for await (const piece of packContext(context, options)) pieces.push(piece);
  return { directory, highestId, archive: { kind: "inline", tar: Buffer.concat(pieces).toString("base64") } };
}

export interface ContextUpload {
  readonly session: Session;
  readonly steps: Steps;
  /** A connection with the credential of the build. */
  readonly nc: NatsConnection;
  readonly build: string;
  readonly context: Context;
  /** See PackOptions. */
  readonly stamp: string | undefined;
  readonly signal: AbortSignal;
}

/**
 * Resolves when the queue has confirmed that the context is complete, or when the build ended before; its stream then says how.
 * Throws CbError "usage" when a file has become unreadable, and the errors of putObject.
 */
export async function sendContext({ session, steps, nc, build, context, stamp, signal }: ContextUpload): Promise<void> {
  const title = "Sending build context";
  steps.begin(title);
  const progress = new TransferProgress(steps, title, context.maxArchiveBytes);
  try {
    const { sizeBytes } = await putObject(guestAccess(nc), packContext(context, { signal, stamp }), {
      bucket: bucket(build),
      name: "context",
      signal,
      onProgress: (bytes) => progress.show(bytes),
      onWaiting: outageNotice(steps),
      isDeleted: async (missingMs) => isMissingForLong(missingMs) || (await hasEnded(nc, build)),
    });
    const onNoReply = (message: string) => steps.update(message);
    await session.requestUntilReply(sent, { v: 1, build }, { signal, onNoReply });
    const rate = size(progress.bytesPerSecond(sizeBytes));
    steps.complete(`Completed, ${fileCount(context)}, ${size(sizeBytes)}, ${rate}/s`);
  } catch (error) {
    if (!(error instanceof StreamNotFound)) throw error;
    steps.complete("the build has ended");
  }
}

/** The bucket is deleted when the build has ended. It is missing also while NATS is restored from a backup. */
async function hasEnded(nc: NatsConnection, build: string): Promise<boolean> {
  const info = await streamInfo(nc, build).catch(() => undefined);
  return info?.config.sealed === true;
}

const fileCount = ({ files }: Context): string => `${files} file${files === 1 ? "" : "s"}`;
