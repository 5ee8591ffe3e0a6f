/**
 * The order in which a backup saves the streams while the queue runs, and a restore makes them. Pure.
 *
 * No snapshot covers two streams, so a backup is a sequence of moments. The records come first: everything that a record names
 * exists before the record is written, so it is found when it is saved later. Then come the logs of live builds, so that as little
 * as possible happens between the record of a build and its log, and after them what does not change any more. With the queue stopped the
 * logs of live builds come last instead (BackupOptions).
 *
 * A restore goes the other way: a queue that is started half way finds streams without records, which it keeps.
 */
import type { ListedStream } from "../../nats/jetstream/snapshot-streams.ts";
import { buildBucketStream, buildOfStream, buildStream } from "../../protocol/subjects.ts";

/**
 * The queue writes a recipe before the build's record, a builder's lease before the build's, and a slot before the builder's record.
 * Saved in the opposite order, a change between two of them looks like a queue that was killed between two writes, which the next
 * one puts right.
 */
const RECORDS = ["KV_cb-builds", "KV_cb-recipes", "KV_cb-builders", "KV_cb-slots", "KV_cb-users"];

/** The records and every other key-value bucket, in the order to save them. They must be saved whole: see `mustBeQuiet`. */
export function recordStreams(streams: readonly ListedStream[]): ListedStream[] {
  return streams.filter(({ name }) => mustBeQuiet(name)).sort((a, b) => recordRank(a.name) - recordRank(b.name));
}

/** All other streams: logs of live builds, then every other stream, then the buckets, the largest. */
export function otherStreams(streams: readonly ListedStream[]): ListedStream[] {
  return streams.filter(({ name }) => !mustBeQuiet(name)).sort((a, b) => rank(a) - rank(b));
}

/**
 * A snapshot that was taken while the stream was written may lack its last messages (nats-server 2.10). A log lacks its newest lines
 * then; a key-value bucket would lack keys.
 */
export const mustBeQuiet = (name: string): boolean => name.startsWith("KV_");

/** The reverse of the order of the backup. */
export const restoreOrder = <T>(saved: readonly T[]): T[] => saved.toReversed();

/** With `--without-images`: buckets of builds that have ended. The bucket of a live build may hold the context that it waits for. */
export function imagesOnly(streams: readonly ListedStream[]): Set<string> {
  const live = new Set(streams.filter(({ isSealed }) => !isSealed).map(({ name }) => name));
  const isImage = (name: string): boolean => {
    const build = buildOfStream(name);
    return build !== undefined && name === buildBucketStream(build) && !live.has(buildStream(build));
  };
  return new Set(streams.map(({ name }) => name).filter(isImage));
}

const recordRank = (name: string): number => (RECORDS.includes(name) ? RECORDS.indexOf(name) : RECORDS.length);

function rank({ name, isSealed }: ListedStream): number {
  const build = buildOfStream(name);
  if (build === undefined) return 1;
  if (name === buildBucketStream(build)) return 2;
  return isSealed ? 1 : 0;
}
