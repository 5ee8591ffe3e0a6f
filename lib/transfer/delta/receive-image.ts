/** Receives an image into a hidden file: the parts that an older image has are copied from it, as long as that works. */
import type { JetStreamAccess } from "../../nats/jetstream/api.ts";
import type { StoredObject } from "../../protocol/object-layout.ts";
import { getObject } from "../get.ts";
import { type ReceivedFile, receiveFile } from "../receive-file.ts";
import type { ReceiveOptions } from "../target.ts";
import { DeltaFailed, type DeltaOptions, findDelta, getDelta } from "./get-delta.ts";
import type { OldFile } from "./old-file.ts";

export interface ReceiveImageOptions {
  readonly get: Omit<DeltaOptions, "old">;
  readonly target: ReceiveOptions;
  readonly old: OldFile | undefined;
  /** Called with the reason when there is an old file and the whole image is fetched. */
  readonly onWhole: (reason: string) => void;
}

export interface ReceivedImage {
  readonly file: ReceivedFile<StoredObject>;
  /** Bytes of the image that came over the network. */
  readonly fetchedBytes: number;
}

/** Rejects as receiveFile with the errors of getObject: the old file is never the reason of a failure. */
export async function receiveImage(js: JetStreamAccess, options: ReceiveImageOptions): Promise<ReceivedImage> {
  const { get, target, onWhole } = options;
  const byDelta = await tryDelta(js, options);
  if (typeof byDelta === "object") return byDelta;
  if (byDelta !== undefined) onWhole(byDelta);
  return { file: await receiveFile(getObject(js, get), target), fetchedBytes: get.announced.sizeBytes };
}

/** The reason when it cannot be done. */
async function tryDelta(
  js: JetStreamAccess,
  { get, target, old }: ReceiveImageOptions,
): Promise<ReceivedImage | string | undefined> {
  if (old === undefined) return undefined;
  try {
    const plan = await findDelta(js, { ...get, old });
    if (typeof plan === "string") return plan;
    const file = await receiveFile(getDelta(js, plan, { ...get, old }), target);
    return { file, fetchedBytes: plan.fetchBytes };
  } catch (error) {
    if (error instanceof DeltaFailed) return error.message;
    throw error;
  }
}
