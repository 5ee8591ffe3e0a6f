/**
 * Builds that have streams and no record. There are two causes:
 *
 * - A queue was killed during a reservation. No message was ever stored in these streams: the queue publishes the first state
 *   after the record exists, and the client gets the credential for the context after that too. They are deleted at the start.
 * - The records were lost, or restored from an older backup. These streams hold logs, images and contexts, so they are kept and
 *   reported until an operator deletes them or restores the records.
 *
 * Therefore the queue deletes a stream without a record only if nothing was ever stored in it or in its sibling.
 */
import { CbError, messageOf } from "../../core/errors.ts";
import type { Logger } from "../../core/log.ts";
import { eachAtMost } from "../../pool/reconciler/limit.ts";
import type { UnrecordedBuild } from "../../protocol/admin-messages.ts";
import { buildBucketStream } from "../../protocol/subjects.ts";
import type { Builds } from "./builds.ts";
import type { BuildStreams } from "./streams.ts";

/** A stream that does not answer takes 5 s, the time limit of nats.js. */
const CALLS_AT_ONCE = 16;

export interface UnrecordedBuildsOptions {
  readonly builds: Builds;
  readonly streams: BuildStreams;
  readonly log: Logger;
}

/** `isEmpty`: all its streams answered, and nothing was ever stored in them. */
type Survey = UnrecordedBuild & { readonly isEmpty: boolean };

export class UnrecordedBuilds {
  readonly #options: UnrecordedBuildsOptions;

  constructor(options: UnrecordedBuildsOptions) {
    this.#options = options;
  }

  /**
   * At the start: deletes the streams of unfinished reservations, and the buckets that an earlier queue created for a build just
   * as that ended. Returns the builds that it keeps. Throws when NATS does not answer.
   */
  async tidy(): Promise<ReadonlySet<string>> {
    const { builds, streams, log } = this.#options;
    const names = await streams.names();
    const unused = names.filter(
      ({ build, stream }) => builds.get(build)?.bucketDeleted && stream === buildBucketStream(build),
    );
    for (const { build } of unused) await streams.deleteBucket(build);
    const found = await this.#survey(names);
    const unfinished = found.filter(({ isEmpty }) => isEmpty);
    for (const { build } of unfinished) await streams.deleteAll(build);
    const deleted = { buckets: unused.map(({ build }) => build), reservations: unfinished.map(({ build }) => build) };
    if (unused.length + unfinished.length > 0) log.warn(deleted, "deleted what an earlier queue had left half done");
    const kept = found.filter(({ isEmpty }) => !isEmpty);
    if (kept.length > 0) log.warn(totals(kept), KEPT);
    return new Set(kept.map(({ build }) => build));
  }

  /** The builds that are kept, the oldest first. Reservations in progress are not among them. */
  async list(): Promise<UnrecordedBuild[]> {
    const found = await this.#survey(await this.#options.streams.names());
    return found
      .filter(({ isEmpty }) => !isEmpty)
      .sort((a, b) => a.createdAtMs - b.createdAtMs)
      .map(({ isEmpty: _, ...build }) => build);
  }

  /**
   * Deletes the streams and the recipes of these builds. Throws CbError "usage", and deletes nothing, when one of them has a
   * record or no stream with content.
   */
  async delete(ids: readonly string[]): Promise<{ builds: number; bytes: number }> {
    const { builds, streams } = this.#options;
    const known = new Map((await this.list()).map((build) => [build.build, build]));
    for (const build of ids) {
      if (known.has(build)) continue;
      const reason = builds.get(build) === undefined ? "has no streams with content" : "has a record";
      throw new CbError("usage", `build ${build} ${reason}, so nothing was deleted`, {
        hint: "list the streams of builds without a record with: cb-admin streams",
      });
    }
    const chosen = [...new Set(ids)].flatMap((build) => known.get(build) ?? []);
    for (const { build } of chosen) {
      // A reservation in progress is listed if its stream does not answer, and may have been recorded meanwhile.
      if (builds.get(build) !== undefined) continue;
      await streams.deleteAll(build);
      await builds.dropRecipe(build);
    }
    return totals(chosen);
  }

  async #survey(names: readonly { build: string; stream: string }[]): Promise<Survey[]> {
    const { builds } = this.#options;
    const found = new Map<string, Survey>();
    const unrecorded = names.filter(({ build }) => builds.get(build) === undefined);
    await eachAtMost(unrecorded, CALLS_AT_ONCE, async ({ build, stream }) => {
      const part = await this.#surveyOne(build, stream);
      const other = found.get(build);
      found.set(build, other === undefined ? part : joined(other, part));
    });
    // A reservation may have been recorded meanwhile.
    return [...found.values()].filter(({ build }) => builds.get(build) === undefined);
  }

  /** A stream that does not answer counts as one with content. */
  async #surveyOne(build: string, stream: string): Promise<Survey> {
    try {
      const content = await this.#options.streams.contentOf(stream);
      const { bytes = 0, createdAtMs = 0, everWritten = false } = content ?? {};
      return { build, bytes, createdAtMs, problem: "", isEmpty: !everWritten };
    } catch (error) {
      const problem = `the stream ${stream} does not answer: ${messageOf(error)}`;
      return { build, bytes: 0, createdAtMs: 0, problem, isEmpty: false };
    }
  }
}

const KEPT =
  "there are streams of builds without a record: were the records lost? The streams are kept; list them with cb-admin streams, delete them with cb-admin streams delete";

const totals = (found: readonly UnrecordedBuild[]): { builds: number; bytes: number } => ({
  builds: found.length,
  bytes: found.reduce((sum, { bytes }) => sum + bytes, 0),
});

const joined = (a: Survey, b: Survey): Survey => ({
  build: a.build,
  bytes: a.bytes + b.bytes,
  createdAtMs: Math.min(a.createdAtMs || b.createdAtMs, b.createdAtMs || a.createdAtMs),
  problem: a.problem || b.problem,
  isEmpty: a.isEmpty && b.isEmpty,
});
