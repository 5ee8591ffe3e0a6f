/** Receives the caller's files and unpacks them as a mirror of the caller's disk. */

import type { JetStreamAccess } from "../lib/nats/jetstream/api.ts";
import type { LeasedContext } from "../lib/protocol/build-messages.ts";
import { bucket } from "../lib/protocol/subjects.ts";
import { unpackContext } from "../lib/recipe/context/unpack.ts";
import { getObject } from "../lib/transfer/get.ts";

export interface ReceiveContextOptions {
  readonly build: string;
  readonly context: LeasedContext;
  readonly js: JetStreamAccess;
  /** The folder that mirrors the caller's `/`. */
  readonly root: string;
  readonly signal: AbortSignal;
}

/**
 * Throws the errors of getObject() and unpackContext(). They are failures of the builder, because the queue has checked
 * that the context is complete.
 */
export async function receiveContext({ build, context, js, root, signal }: ReceiveContextOptions): Promise<void> {
  const { archive, highestId } = context;
  const chunks =
    archive.kind === "inline" ? inline(archive.tar) : getObject(js, { bucket: bucket(build), name: "context", signal });
  await unpackContext(chunks, { root, highestId, signal });
}

async function* inline(tar: string): AsyncGenerator<Uint8Array> {
  yield Buffer.from(tar, "base64");
}
