/**
 * The order in which a backup saves the streams while the queue runs, and a restore makes them. Pure.
 *
 * No snapshot covers two streams, so a backup is a sequence of moments. The records come first: everything that a record names
 * exists before the record is written, so it is found when it is saved later. Then come the streams of live builds, so that as
 * little as possible happens between the record of a build and its log, and after them what does not change any more.
 *
 * A restore goes the other way: a queue that is started half way finds streams without records, which it keeps. When the builds are
 * suspended for an exchange of the server, their streams come last in the backup, so that the restore makes them first: the agents
 * wait for them.
 */
import type { ListedStream } from "../../nats/jetstream/snapshot/list-streams.ts";
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

/** All other streams: the logs of live builds, then their buckets, then every other stream, then the other buckets, the largest. */
export function otherStreams(streams: readonly ListedStream[]): ListedStream[] {
  const live = liveBuilds(streams);
  return streams.filter(({ name }) => !mustBeQuiet(name)).sort((a, b) => rank(a.name, live) - rank(b.name, live));
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
  const live = liveBuilds(streams);
  return new Set(streams.map(({ name }) => name).filter((name) => rank(name, live) === RANKS.image));
}

/** The builds with a log that is not sealed. */
function liveBuilds(streams: readonly ListedStream[]): Set<string> {
  return new Set(
    streams.flatMap(({ name, isSealed }) => {
      const build = buildOfStream(name);
      return build !== undefined && !isSealed && name === buildStream(build) ? [build] : [];
    }),
  );
}

const recordRank = (name: string): number => (RECORDS.includes(name) ? RECORDS.indexOf(name) : RECORDS.length);

const RANKS = { liveLog: 0, liveBucket: 1, other: 2, image: 3 };

function rank(name: string, live: ReadonlySet<string>): number {
  const build = buildOfStream(name);
  if (build === undefined) return RANKS.other;
  const isBucket = name === buildBucketStream(build);
  if (live.has(build)) return isBucket ? RANKS.liveBucket : RANKS.liveLog;
  return isBucket ? RANKS.image : RANKS.other;
}
