/** The caller's files on their way: a few inside the reservation, more as an object that follows it. */
import type { NatsConnection } from "nats";
import { guestAccess } from "../../nats/connection.ts";
import { StreamNotFound } from "../../nats/jetstream/stream-errors.ts";
import { INLINE_CONTEXT_MAX_BYTES, type ReserveRequest } from "../../protocol/build-messages.ts";
import { sent } from "../../protocol/requests.ts";
import { bucket } from "../../protocol/subjects.ts";
import type { Context } from "../../recipe/context/find.ts";
import { packContext } from "../../recipe/context/pack.ts";
import { putObject } from "../../transfer/put.ts";
import { size } from "../text/progress.ts";
import { TransferProgress } from "../watch/transfer-progress.ts";
import type { Watcher } from "../watch/watch-build.ts";

type Offer = NonNullable<ReserveRequest["context"]>;

/** What the reservation says of the files; small ones are in it. Throws CbError "usage" as packContext does. */
export async function offerContext(context: Context, signal: AbortSignal): Promise<Offer> {
  const { directory, highestId, maxArchiveBytes } = context;
  if (maxArchiveBytes > INLINE_CONTEXT_MAX_BYTES) {
    return { directory, highestId, archive: { kind: "object", maxBytes: maxArchiveBytes } };
  }
  const pieces: Uint8Array[] = [];
  for await (const piece of packContext(context, { signal })) pieces.push(piece);
  return { directory, highestId, archive: { kind: "inline", tar: Buffer.concat(pieces).toString("base64") } };
}

export interface ContextUpload {
  readonly nc: NatsConnection;
  readonly build: string;
  readonly context: Context;
  readonly signal: AbortSignal;
}

/**
 * Resolves when the queue knows that the files are whole in the build's bucket, or when the build has ended meanwhile, as
 * its stream then says. Throws CbError "usage" when a file cannot be read any more, and what putObject throws.
 */
export async function sendContext(
  order: Pick<Watcher, "session" | "steps">,
  { nc, build, context, signal }: ContextUpload,
): Promise<void> {
  const { session, steps } = order;
  const title = "Sending build context";
  steps.begin(title);
  const news = new TransferProgress(steps, title, context.maxArchiveBytes);
  try {
    const { sizeBytes } = await putObject(guestAccess(nc), packContext(context, { signal }), {
      bucket: bucket(build),
      name: "context",
      signal,
      onProgress: (bytes) => news.moved(bytes),
    });
    await session.askUntilAnswered(sent, { v: 1, build }, { signal, onSilent: (why) => steps.news(why) });
    steps.done(`Completed, ${files(context)}, ${size(sizeBytes)}, ${size(news.bytesPerSecond(sizeBytes))}/s`);
  } catch (error) {
    if (!(error instanceof StreamNotFound)) throw error;
    steps.done("the build has ended");
  }
}

const files = ({ files }: Context): string => `${files} file${files === 1 ? "" : "s"}`;
