/** The streams of one build: made, made room in, closed and deleted by the queue alone. */
import {
  DiscardPolicy,
  type JetStreamManager,
  type NatsConnection,
  NatsError,
  RetentionPolicy,
  StorageType,
  type StreamConfig,
} from "nats";
import { CbError } from "../../core/errors.ts";
import { parseJson } from "../../nats/jetstream/api.ts";
import { ERR_CODE } from "../../nats/jetstream/stream-errors.ts";
import type { BuildState } from "../../protocol/build-messages.ts";
import { encode } from "../../protocol/codec.ts";
import { CHUNK_MIN_BYTES } from "../../protocol/fields.ts";
import { parseMeta, type StoredObject } from "../../protocol/object-layout.ts";
import {
  buildBucketStream,
  buildChunkWildcard,
  buildMetaSubject,
  buildMetaWildcard,
  buildOfStream,
  buildStream,
  subjects,
} from "../../protocol/subjects.ts";

export interface StreamLimits {
  readonly replicas: number;
  readonly logBytes: number;
}

/** An object that is to be put into a build's bucket. */
export interface ComingObject {
  /** Exactly, or at most. */
  readonly bytes: number;
  readonly chunkBytes: number;
}

/** Room for states beside the log. */
const STATES_BYTES = 1024 * 1024;
/** JetStream keeps 250 bytes with each message (subject, headers, record): a quarter of the log is 1000 bytes a message. */
const OVERHEAD_SHARE = 0.25;
/** How much is added when a final state finds the stream full. */
const FINAL_ROOM_BYTES = 64 * 1024;
/** The agent sends at most 200 messages a second: 4.3 million in six hours, the longest build by default. */
const MESSAGES_MAX = 5_000_000;
/** Readers of one build at a time: the caller, some attached terminals, and each again after a reconnect. */
const READERS_MAX = 16;
/** Chunk headers and the meta message beside the object's bytes. */
const BUCKET_OVERHEAD_BYTES = 1024 * 1024;
/** Bytes that JetStream keeps with each stored chunk (subject, header with message id, record): 200 were measured. */
const CHUNK_OVERHEAD_BYTES = 512;

/** JetStream's error codes (nats-server's errors.json). */
const NOT_FOUND: readonly number[] = [ERR_CODE.streamNotFound, ERR_CODE.noMessageFound];
const STREAM_FULL = [10077, 10023];
const NO_STORAGE = [10047, 10028];

const COMMON: Partial<StreamConfig> = {
  storage: StorageType.File,
  retention: RetentionPolicy.Limits,
  discard: DiscardPolicy.New,
  allow_rollup_hdrs: false,
  deny_delete: true,
  deny_purge: true,
  allow_direct: false,
};

export class BuildStreams {
  readonly #nc: NatsConnection;
  readonly #limits: StreamLimits;

  constructor(nc: NatsConnection, limits: StreamLimits) {
    this.#nc = nc;
    this.#limits = limits;
  }

  /**
   * Makes the stream of log and states, with room for states alone: bytes are reserved on the disk, and a build that
   * waits has no log. Throws CbError "infrastructure" when NATS has no storage for it.
   */
  async open(build: string): Promise<void> {
    await this.#add({
      ...COMMON,
      name: buildStream(build),
      subjects: [subjects.log(build), subjects.state(build)],
      max_bytes: STATES_BYTES,
      max_msgs: MESSAGES_MAX,
      max_consumers: READERS_MAX,
      num_replicas: this.#limits.replicas,
    });
  }

  /**
   * Reserves the room for the log of one attempt, beside what is there: a build that is begun anew prints everything
   * once more, and must not fail for what its first builder printed. Throws CbError "infrastructure" when there is none.
   */
  async makeLogRoom(build: string): Promise<void> {
    const { streams } = await this.#manager();
    const name = buildStream(build);
    const { state: used } = await streams.info(name);
    const max_bytes = used.bytes + Math.ceil(this.#limits.logBytes * (1 + OVERHEAD_SHARE)) + STATES_BYTES;
    const max_msgs = used.messages + MESSAGES_MAX;
    await streams.update(name, { max_bytes, max_msgs }).catch(noStorage(name));
  }

  /** Deletes what a queue that was killed left behind: all streams of `unknown` builds, buckets of `emptied` ones; tells which. */
  async sweepUnknown(judge: (build: string) => "unknown" | "emptied" | "kept"): Promise<string[]> {
    const { streams } = await this.#manager();
    const unknown: string[] = [];
    for await (const name of streams.names()) {
      const build = buildOfStream(name);
      const found = build === undefined ? "kept" : judge(build);
      const isBucket = build !== undefined && name === buildBucketStream(build);
      if (found === "unknown" || (found === "emptied" && isBucket)) unknown.push(name);
    }
    for (const name of unknown) await this.#delete(name);
    return unknown;
  }

  /**
   * Makes the bucket with room for one more object, or makes it so much larger that this fits beside what is there, but
   * never larger than `maxBytes` of content. Throws CbError "infrastructure" when NATS has no storage, "usage" beyond `maxBytes`.
   */
  async makeRoom(build: string, object: ComingObject, maxBytes: number): Promise<void> {
    const { streams } = await this.#manager();
    const name = buildBucketStream(build);
    const there = await streams.info(name).catch(unlessNotFound);
    const wanted = (there?.state.bytes ?? 0) + roomFor(object);
    if (there !== undefined && there.config.max_bytes >= wanted) return;
    if (wanted > roomFor({ bytes: maxBytes, chunkBytes: CHUNK_MIN_BYTES })) {
      throw new CbError(
        "usage",
        `the bucket of build ${build} would take ${wanted} bytes; at most ${maxBytes} are allowed`,
      );
    }
    if (there !== undefined) return this.#resize(name, wanted);
    await this.#add({
      ...COMMON,
      name,
      subjects: [buildChunkWildcard(build), buildMetaWildcard(build)],
      max_bytes: wanted,
      max_consumers: READERS_MAX,
      num_replicas: this.#limits.replicas,
    });
  }

  /** The whole context in the bucket; undefined when it is not there, or not whole. */
  async contextOf(build: string): Promise<StoredObject | undefined> {
    const { streams } = await this.#manager();
    const query = { last_by_subj: buildMetaSubject(build, "context") };
    const message = await streams.getMessage(buildBucketStream(build), query).catch(unlessNotFound);
    return message === undefined ? undefined : parseMeta(parseJson(message.data));
  }

  /** How much of the build's bucket is used; undefined when there is none. */
  async bucketBytes(build: string): Promise<number | undefined> {
    const { streams } = await this.#manager();
    return (await streams.info(buildBucketStream(build)).catch(unlessNotFound))?.state.bytes;
  }

  /** How many read the bucket now, counting those that went without a word for a minute; 0 when there is no bucket. */
  async bucketReaders(build: string): Promise<number> {
    const { streams } = await this.#manager();
    return (await streams.info(buildBucketStream(build)).catch(unlessNotFound))?.state.consumer_count ?? 0;
  }

  /** Appends a state. */
  async say(build: string, state: BuildState): Promise<void> {
    await this.#nc.jetstream().publish(subjects.state(build), encode(state));
  }

  /**
   * Appends the final state, for which there is always room; seals the stream, and gives back what it did not use. Does
   * nothing when that is done, or the stream is gone: a queue that was killed half way calls it again.
   */
  async close(build: string, state: BuildState): Promise<void> {
    const { streams } = await this.#manager();
    const name = buildStream(build);
    const before = await streams.info(name).catch(unlessNotFound);
    if (before === undefined || before.config.sealed) return;
    try {
      await this.say(build, state);
    } catch (error) {
      if (!STREAM_FULL.includes(codeOf(error) ?? 0)) throw error;
      const { max_bytes, max_msgs } = before.config;
      await streams.update(name, { max_bytes: max_bytes + FINAL_ROOM_BYTES, max_msgs: max_msgs + 1 });
      await this.say(build, state);
    }
    const { state: used } = await streams.info(name);
    const sealed: Partial<StreamConfig> = { sealed: true, max_bytes: used.bytes };
    await streams.update(name, sealed);
  }

  /** Deletes image and context; nothing happens when there are none. */
  deleteBucket(build: string): Promise<void> {
    return this.#delete(buildBucketStream(build));
  }

  /** Deletes all there is of the build. */
  async deleteAll(build: string): Promise<void> {
    await this.deleteBucket(build);
    await this.#delete(buildStream(build));
  }

  async #add(config: Partial<StreamConfig> & { name: string }): Promise<void> {
    const { streams } = await this.#manager();
    await streams.add(config).catch(noStorage(config.name));
  }

  async #resize(stream: string, maxBytes: number): Promise<void> {
    const { streams } = await this.#manager();
    await streams.update(stream, { max_bytes: maxBytes }).catch(noStorage(stream));
  }

  async #delete(stream: string): Promise<void> {
    const { streams } = await this.#manager();
    await streams.delete(stream).catch(unlessNotFound);
  }

  #manager(): Promise<JetStreamManager> {
    return this.#nc.jetstreamManager({ checkAPI: false });
  }
}

/** What JetStream counts for an object: its bytes, a record with each chunk, its description. */
const roomFor = ({ bytes, chunkBytes }: ComingObject): number =>
  bytes + Math.ceil(bytes / chunkBytes) * CHUNK_OVERHEAD_BYTES + BUCKET_OVERHEAD_BYTES;

const noStorage = (stream: string) => (error: unknown) => {
  if (!NO_STORAGE.includes(codeOf(error) ?? 0)) throw error;
  throw new CbError("infrastructure", `NATS has no storage left for ${stream}`, { cause: error });
};

const codeOf = (error: unknown): number | undefined =>
  error instanceof NatsError ? error.api_error?.err_code : undefined;

function unlessNotFound(error: unknown): undefined {
  if (!NOT_FOUND.includes(codeOf(error) ?? 0)) throw error;
}
