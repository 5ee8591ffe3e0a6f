/** How long the images of builds are kept, and which of them are given up for storage. Pure. */
import type { StorageFigures } from "../../protocol/storage-figures.ts";
import type { BuildRecord } from "../builds/record.ts";

/** Images that their clients have fetched, and that other requests may get, take at most this part of the storage of NATS. */
const SHARE = 1 / 5;
/** They are given up while less than this part of the storage is free, so that no build is refused for them. */
const FREE_SHARE = 1 / 4;

/** True while the queue keeps the image: it has not been fetched, or another request with the same inputs may get it. */
export const keepsImage = ({ final, bucketDeleted, received, same }: BuildRecord): boolean =>
  final?.state === "succeeded" && !bucketDeleted && (!received || same !== undefined);

/** The time counts from the end of the build, or from the last request that got the image. */
export const imageUntilMs = ({ endedAtMs, usedAtMs, createdAtMs }: BuildRecord, imageKeptMs: number): number =>
  Math.max(endedAtMs ?? createdAtMs, usedAtMs ?? 0) + imageKeptMs;

/**
 * The builds with images to give up, so that the images of `SHARE` stay: always the oldest of the user with the most bytes, so that one
 * user displaces no image of another. All of them while NATS has never reported its storage.
 */
export function surplusImages(records: readonly BuildRecord[], figures: StorageFigures | undefined): Set<string> {
  const { freeBytes = 0, totalBytes = 0 } = figures ?? {};
  const kept = byUser(records.filter((record) => record.received && keepsImage(record)));
  const total = (): number => [...kept.values()].reduce((sum, { bytes }) => sum + bytes, 0);
  const allowed = Math.min(totalBytes * SHARE, total() + freeBytes - totalBytes * FREE_SHARE);
  const surplus = new Set<string>();
  for (let left = total(); left > 0 && left > allowed; left = total()) {
    const [largest] = [...kept.values()].toSorted((a, b) => b.bytes - a.bytes);
    const oldest = largest?.records.shift();
    if (largest === undefined || oldest === undefined) break;
    largest.bytes -= bytesOf(oldest);
    surplus.add(oldest.build);
  }
  return surplus;
}

interface UserImages {
  bytes: number;
  /** The one that was used longest ago first. */
  readonly records: BuildRecord[];
}

function byUser(records: readonly BuildRecord[]): Map<string, UserImages> {
  const users = new Map<string, UserImages>();
  for (const record of records.toSorted((a, b) => imageUntilMs(a, 0) - imageUntilMs(b, 0))) {
    const images = users.get(record.user) ?? { bytes: 0, records: [] };
    images.bytes += bytesOf(record);
    images.records.push(record);
    users.set(record.user, images);
  }
  return users;
}

const bytesOf = ({ final }: BuildRecord): number => (final?.state === "succeeded" ? final.bytes : 0);
