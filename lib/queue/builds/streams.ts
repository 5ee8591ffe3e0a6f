/** The stream and the bucket of a build. The queue alone creates, enlarges, seals and deletes them. */
import {
  DiscardPolicy,
  type JetStreamManager,
  type NatsConnection,
  RetentionPolicy,
  StorageType,
  type StreamConfig,
  type StreamInfo,
} from "nats";
import { CbError } from "../../core/errors.ts";
import { parseJson } from "../../nats/jetstream/api.ts";
import { ERR_CODE } from "../../nats/jetstream/stream-errors.ts";
import { codeOf, isNoStorage } from "../../nats/jetstream/stream-failures.ts";
import { JETSTREAM_API, type StreamHealth } from "../../nats/jetstream/stream-health.ts";
import type { BuildState } from "../../protocol/build-messages.ts";
import { encode } from "../../protocol/codec.ts";
import { CHUNK_MIN_BYTES } from "../../protocol/fields.ts";
import { parseMeta, type StoredObject } from "../../protocol/object-layout.ts";
import {
  buildBucketStream,
  buildMetaSubject,
  buildOfStream,
  buildStream,
  patterns,
  storedSubjects,
  subjects,
} from "../../protocol/subjects.ts";
import type { QueueEvents } from "../watch/events.ts";

export interface StreamLimits {
  readonly replicas: number;
  readonly logBytes: number;
  readonly events?: QueueEvents | undefined;
}

/** An object that will be stored in a build's bucket. */
export interface AnnouncedObject {
  /** The exact size, or an upper bound. */
  readonly bytes: number;
  readonly chunkBytes: number;
}

export interface StreamContent {
  readonly bytes: number;
  /** A message was stored in it, even if none is now. */
  readonly everWritten: boolean;
  readonly createdAtMs: number;
}

/** Space for states beside the log. */
const STATES_BYTES = 1024 * 1024;
/** JetStream stores 250 bytes with each message (subject, headers, record): a quarter, if the messages have 1000 bytes each. */
const LOG_OVERHEAD = 0.25;
/** Added when the stream has no space left for the final state. */
const FINAL_STATE_BYTES = 64 * 1024;
/** The agent sends at most 200 messages a second: 4.3 million in six hours, the longest build by default. */
const MESSAGES_MAX = 5_000_000;
/** Consumers of one build at a time: the caller's, some of attached terminals, and each once more after a reconnect. */
const READERS_MAX = 16;
/** Space for chunk headers and the meta message beside the object's bytes. */
const BUCKET_OVERHEAD_BYTES = 1024 * 1024;
/** Bytes that JetStream stores with each chunk (subject, header with message id, record): 200 were measured. */
const CHUNK_OVERHEAD_BYTES = 512;

/** JetStream's error codes (nats-server's errors.json). */
const NOT_FOUND: readonly number[] = [ERR_CODE.streamNotFound, ERR_CODE.noMessageFound];
const STREAM_FULL = [10077, 10023];

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
  readonly #health: StreamHealth;
  /** Builds with space for the log of their first attempt since their reservation. */
  readonly #logReserved = new Set<string>();

  constructor(nc: NatsConnection, limits: StreamLimits, health: StreamHealth) {
    this.#nc = nc;
    this.#limits = limits;
    this.#health = health;
  }

  /**
   * Creates the stream of log and states, with space for the states alone: JetStream reserves `max_bytes` on the disk, and
   * a waiting build has no log. With `startsAtOnce` it has space for the log too, if NATS has as much: that saves the three calls of
   * reserveLog() while a builder waits. Throws CbError "infrastructure" when NATS has no storage left for it.
   */
  async create(build: string, { startsAtOnce = false } = {}): Promise<void> {
    if (!startsAtOnce) return this.#create(build, STATES_BYTES);
    try {
      await this.#create(build, attemptBytes(this.#limits.logBytes));
      this.#logReserved.add(build);
    } catch (error) {
      if (!isNoStorage(error)) throw error;
      await this.#create(build, STATES_BYTES);
    }
  }

  async #create(build: string, max_bytes: number): Promise<void> {
    await this.#add({
      ...COMMON,
      name: buildStream(build),
      subjects: storedSubjects(buildStream(build)),
      max_bytes,
      max_msgs: MESSAGES_MAX,
      max_consumers: READERS_MAX,
      num_replicas: this.#limits.replicas,
    });
  }

  /**
   * Reserves the space for the log of one attempt, in addition to the space in use: attempt 2 prints everything once more,
   * and must not fail because of the output of attempt 1. Throws CbError "infrastructure" when NATS has no storage left.
   */
  async reserveLog(build: string): Promise<void> {
    if (this.#logReserved.delete(build)) return;
    const name = buildStream(build);
    const used = (await this.#info(name))?.state ?? { bytes: 0, messages: 0 };
    const max_bytes = used.bytes + attemptBytes(this.#limits.logBytes);
    await this.#update(name, { max_bytes, max_msgs: used.messages + MESSAGES_MAX });
  }

  /** The streams and buckets of all builds. */
  names(): Promise<{ build: string; stream: string }[]> {
    return this.#names();
  }

  /**
   * Lets the streams store messages again that cb-admin has suspended, for an exchange of the server that did not take place. Resolves
   * with their number.
   */
  async resume(): Promise<number> {
    const suspended = await this.#names(patterns.suspended);
    for (const { stream } of suspended) await this.#update(stream, { subjects: storedSubjects(stream) });
    return suspended.length;
  }

  /** The content of a stream or bucket; undefined when it does not exist. */
  async contentOf(stream: string): Promise<StreamContent | undefined> {
    const info = await this.#info(stream);
    if (info === undefined) return undefined;
    const { bytes, last_seq } = info.state;
    return { bytes, everWritten: last_seq > 0, createdAtMs: Date.parse(info.created) };
  }

  /**
   * Reserves the space for one more object: creates the bucket, or enlarges it so that the object fits beside the stored
   * ones, but never beyond `maxBytes` of content. Throws CbError "infrastructure" when NATS has no storage left, "usage"
   * beyond `maxBytes`.
   */
  async reserveObject(build: string, object: AnnouncedObject, maxBytes: number): Promise<void> {
    const name = buildBucketStream(build);
    const existing = await this.#info(name);
    const neededBytes = (existing?.state.bytes ?? 0) + storedBytes(object);
    if (existing !== undefined && existing.config.max_bytes >= neededBytes) return;
    if (neededBytes > storedBytes({ bytes: maxBytes, chunkBytes: CHUNK_MIN_BYTES })) {
      throw new CbError(
        "usage",
        `the bucket of build ${build} would take ${neededBytes} bytes; at most ${maxBytes} are allowed`,
      );
    }
    if (existing !== undefined) return this.#update(name, { max_bytes: neededBytes });
    await this.#add({
      ...COMMON,
      name,
      subjects: storedSubjects(name),
      max_bytes: neededBytes,
      max_consumers: READERS_MAX,
      num_replicas: this.#limits.replicas,
    });
  }

  /** The description of an object in the bucket; undefined until its upload is complete, and without a bucket. */
  async objectOf(build: string, object: "context" | "image"): Promise<StoredObject | undefined> {
    const { streams } = await this.#manager();
    const query = { last_by_subj: buildMetaSubject(build, object) };
    const name = buildBucketStream(build);
    const message = await this.#health.call(name, () => streams.getMessage(name, query)).catch(unlessNotFound);
    return message === undefined ? undefined : parseMeta(parseJson(message.data));
  }

  /** Bytes in use in the build's bucket; undefined when there is no bucket. */
  async bucketBytes(build: string): Promise<number | undefined> {
    return (await this.#info(buildBucketStream(build)))?.state.bytes;
  }

  /** Number of consumers of the bucket; one that was not deleted counts for a minute more. 0 when there is no bucket. */
  async bucketReaders(build: string): Promise<number> {
    return (await this.#info(buildBucketStream(build)))?.state.consumer_count ?? 0;
  }

  /** Appends a state. Throws CbError "infrastructure" when the stream does not answer. */
  async publishState(build: string, state: BuildState): Promise<void> {
    const publish = () => this.#nc.jetstream().publish(subjects.state(build), encode(state));
    await this.#health.call(buildStream(build), publish);
  }

  /**
   * Appends the final state, enlarging a full stream for it; seals the stream, and releases its unused space. Does nothing
   * when the stream is sealed or deleted already: a queue that was killed half way calls it again.
   */
  async seal(build: string, state: BuildState): Promise<void> {
    this.#logReserved.delete(build);
    const name = buildStream(build);
    const before = await this.#info(name);
    if (before === undefined || before.config.sealed) return;
    try {
      await this.publishState(build, state);
    } catch (error) {
      if (!STREAM_FULL.includes(codeOf(error) ?? 0)) throw error;
      const { max_bytes, max_msgs } = before.config;
      await this.#update(name, { max_bytes: max_bytes + FINAL_STATE_BYTES, max_msgs: max_msgs + 1 });
      await this.publishState(build, state);
    }
    const after = await this.#info(name);
    const bytes = after?.state.bytes ?? before.state.bytes;
    await this.#update(name, { sealed: true, max_bytes: bytes });
    this.#limits.events?.bytesStored("log", bytes);
  }

  /** Changes with each start of nats-server. Undefined while there is no connection. */
  serverId(): string | undefined {
    return this.#nc.info?.server_id;
  }

  /** Deletes the bucket with image and context, if it exists. */
  deleteBucket(build: string): Promise<void> {
    return this.#delete(buildBucketStream(build));
  }

  /** Deletes the stream and the bucket of the build. */
  async deleteAll(build: string): Promise<void> {
    this.#logReserved.delete(build);
    await this.deleteBucket(build);
    await this.#delete(buildStream(build));
  }

  async #add(config: Partial<StreamConfig> & { name: string }): Promise<void> {
    const { streams } = await this.#manager();
    await this.#health.call(JETSTREAM_API, () => streams.add(config), config.name);
  }

  /** `subject`: only those that store it. */
  async #names(subject?: string): Promise<{ build: string; stream: string }[]> {
    const { streams } = await this.#manager();
    return this.#health.call(JETSTREAM_API, async () => {
      const found: { build: string; stream: string }[] = [];
      for await (const stream of streams.names(subject)) {
        const build = buildOfStream(stream);
        if (build !== undefined) found.push({ build, stream });
      }
      return found;
    });
  }

  /** Undefined when there is no such stream. */
  async #info(stream: string): Promise<StreamInfo | undefined> {
    const { streams } = await this.#manager();
    return this.#health.call(stream, () => streams.info(stream)).catch(unlessNotFound);
  }

  async #update(stream: string, change: Partial<StreamConfig>): Promise<void> {
    const { streams } = await this.#manager();
    await this.#health.call(stream, () => streams.update(stream, change));
  }

  async #delete(stream: string): Promise<void> {
    const { streams } = await this.#manager();
    await this.#health.call(stream, () => streams.delete(stream)).catch(unlessNotFound);
  }

  #manager(): Promise<JetStreamManager> {
    return this.#nc.jetstreamManager({ checkAPI: false });
  }
}

/** The space that is reserved for one attempt: its log with JetStream's overhead, and the states. */
export const attemptBytes = (logBytes: number): number => Math.ceil(logBytes * (1 + LOG_OVERHEAD)) + STATES_BYTES;

/** The space that JetStream needs for an object: its bytes, a record with each chunk, its description. */
const storedBytes = ({ bytes, chunkBytes }: AnnouncedObject): number =>
  bytes + Math.ceil(bytes / chunkBytes) * CHUNK_OVERHEAD_BYTES + BUCKET_OVERHEAD_BYTES;

function unlessNotFound(error: unknown): undefined {
  if (!NOT_FOUND.includes(codeOf(error) ?? 0)) throw error;
}
