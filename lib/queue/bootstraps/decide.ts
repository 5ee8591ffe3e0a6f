/** Which tree a build gets, which trees are given up, and which one is made next. Everything is in the records of builds. Pure. */
import type { BootstrapArguments } from "../../protocol/builder-messages.ts";
import type { BuildRecord } from "../builds/record.ts";

/**
 * The user of the builds that make trees. No user can have this name, because `=` is no part of one (lib/protocol/ids.ts): no credential
 * and no subject of a request can be made for it.
 */
export const BOOTSTRAP_USER = "=bootstrap";

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
/** A day, so that no image has older packages than a recipe with `apt-get update` in a cached layer has with docker. */
export const TREE_AGE_MAX_MS = 24 * HOUR_MS;
/** A request for an older tree gets it, and the queue makes the next one meanwhile. */
export const TREE_RENEW_MS = 12 * HOUR_MS;
/** Three times that of a tree with build-essential, cmake, git and python3-pip. A larger one is slower to fetch than it saves. */
const TREE_MAX_BYTES = 512 * 1024 * 1024;
/** One of these takes about a minute. So users who name ever new arguments get a fifth of one builder at most. */
const JOBS_PER_HOUR = 12;
/** A job takes one ready builder, and leaves one for users. */
const FREE_MIN = 2;
/** After a failure; twice as long after each further one of the same arguments. */
const RETRY_MS = 5 * MINUTE_MS;
const RETRY_MAX_MS = 6 * HOUR_MS;
/** debootstrap takes a minute; over a slow line, or with an emulated processor, some minutes. */
const JOB_MAX_MS = 15 * MINUTE_MS;

/** A tree is for the pool and the builder image that it was made in: programs and devices of the two kinds of machine differ. */
export interface TreeWish {
  readonly arguments: BootstrapArguments;
  readonly pool: string;
  /** Id of the image. */
  readonly builderImage: string;
}

/** The name of a tree's build, as operators see it. Blanks are in none of the arguments, so no other arguments have it. */
export const treeName = ({ suite, mirror, include }: BootstrapArguments): string =>
  [suite, mirror, include].join(" ").trimEnd();

/** The packages are those of the time at which debootstrap began. */
export const madeAtMs = ({ leasedAtMs, createdAtMs }: BuildRecord): number => leasedAtMs ?? createdAtMs;

/** An absolute value: after the clock steps back, a tree is not younger than its age shows. */
const ageMs = (record: BuildRecord, nowMs: number): number => Math.abs(nowMs - madeAtMs(record));

const bytesOf = ({ final }: BuildRecord): number => (final?.state === "succeeded" ? final.bytes : 0);
const isJob = ({ user }: BuildRecord): boolean => user === BOOTSTRAP_USER;
/** It has an image that is not given up: `received` is written when it is. */
const isKept = (record: BuildRecord): boolean =>
  isJob(record) && record.final?.state === "succeeded" && !record.received && !record.bucketDeleted;
const isFor = (record: BuildRecord, { arguments: args, pool }: TreeWish): boolean =>
  record.pool === pool && record.name === treeName(args);
const newestFirst = (a: BuildRecord, b: BuildRecord): number => madeAtMs(b) - madeAtMs(a);

/** The newest tree for the wish. Undefined when there is none of less than a day. */
export function treeFor(wish: TreeWish, records: readonly BuildRecord[], nowMs: number): BuildRecord | undefined {
  const fitting = (record: BuildRecord): boolean =>
    isKept(record) &&
    isFor(record, wish) &&
    record.builderImage === wish.builderImage &&
    bytesOf(record) <= TREE_MAX_BYTES &&
    ageMs(record, nowMs) < TREE_AGE_MAX_MS;
  return records.filter(fitting).toSorted(newestFirst)[0];
}

/** The trees to give up: too old, too large, replaced by a newer one, or beyond `max`, the oldest first. */
export function surplusTrees(records: readonly BuildRecord[], { max, nowMs }: { max: number; nowMs: number }) {
  const seen = new Set<string>();
  return records
    .filter(isKept)
    .toSorted(newestFirst)
    .filter((record) => {
      const place = `${record.pool} ${record.name}`;
      const isUsable = ageMs(record, nowMs) < TREE_AGE_MAX_MS && bytesOf(record) <= TREE_MAX_BYTES;
      if (!isUsable || seen.has(place) || seen.size >= max) return true;
      seen.add(place);
      return false;
    });
}

/** Jobs that wait or run for too long, such as those of a mirror that does not answer. */
export const overdueJobs = (records: readonly BuildRecord[], nowMs: number): BuildRecord[] =>
  records.filter((record) => isJob(record) && record.state !== "ended" && ageMs(record, nowMs) >= JOB_MAX_MS);

export interface NextJobInput {
  /** The oldest first. */
  readonly wishes: readonly TreeWish[];
  readonly records: readonly BuildRecord[];
  /** Pools in which a build waits. */
  readonly waiting: ReadonlySet<string>;
  /** The number of ready builders of each pool. */
  readonly free: ReadonlyMap<string, number>;
  readonly nowMs: number;
}

/** The wish to fulfil now: one job at a time, and only while it takes no builder that a user may need next. */
export function nextJob({ wishes, records, waiting, free, nowMs }: NextJobInput): TreeWish | undefined {
  const jobs = records.filter(isJob);
  if (jobs.some(({ state }) => state !== "ended")) return undefined;
  if (jobs.filter(({ createdAtMs }) => nowMs - createdAtMs < HOUR_MS).length >= JOBS_PER_HOUR) return undefined;
  return wishes.find((wish) => {
    const hasBuilder = !waiting.has(wish.pool) && (free.get(wish.pool) ?? 0) >= FREE_MIN;
    return hasBuilder && nowMs >= retryAtMs(wish, jobs) && isWanted(treeFor(wish, jobs, nowMs), nowMs);
  });
}

/** Whether another tree is to be made beside this one. */
export const isWanted = (tree: BuildRecord | undefined, nowMs: number): boolean =>
  tree === undefined || ageMs(tree, nowMs) >= TREE_RENEW_MS;

/** When a job for these arguments may begin after those that failed since the last success. */
function retryAtMs(wish: TreeWish, jobs: readonly BuildRecord[]): number {
  const ended = jobs.filter((job) => isFor(job, wish)).toSorted((a, b) => b.createdAtMs - a.createdAtMs);
  const success = ended.findIndex(({ final }) => final?.state === "succeeded");
  const failures = success < 0 ? ended.length : success;
  if (failures === 0) return 0;
  return (ended[0]?.endedAtMs ?? 0) + Math.min(RETRY_MS * 2 ** (failures - 1), RETRY_MAX_MS);
}
