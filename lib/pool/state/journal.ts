/**
 * Publishes each change of a builder's state as an event, which wakes the reconciler and serves operators as an audit
 * log. The records are authoritative: a lost event costs a later pass and a line of the audit log, so no caller waits
 * for one.
 */

import {
  DiscardPolicy,
  type JetStreamClient,
  type NatsConnection,
  NatsError,
  nanos,
  RetentionPolicy,
  StorageType,
} from "nats";
import { messageOf } from "../../core/errors.ts";
import type { Logger } from "../../core/log.ts";
import { BUILDERS_STREAM, patterns, subjects } from "../../protocol/subjects.ts";
import type { StoredBuilder } from "../reconciler/observation.ts";

export interface Journal {
  /** Publishes the record. Returns at once, never throws. */
  publish(stored: StoredBuilder): void;
  /** Resolves when every published event is stored or has failed. */
  flush(): Promise<void>;
}

/** Lifecycle messages of 0.5 KiB, six a builder: some 10 000 builders. A week, as long as logs are kept. */
const BUILDERS_LIMITS = { max_bytes: 32 * 2 ** 20, max_msgs: 60_000, max_age: nanos(7 * 24 * 3_600_000) };

/**
 * More than one event for each builder of a large pool. Beyond that NATS is unreachable, and further events are
 * dropped.
 */
const PENDING_MAX = 1_000;

/** Creates the stream, or sets the current limits on an existing one. Throws the errors of nats.js. */
export async function openJournal(nc: NatsConnection, replicas: number, log: Logger): Promise<Journal> {
  const jsm = await nc.jetstreamManager();
  const settings = {
    subjects: [patterns.builderState],
    num_replicas: replicas,
    retention: RetentionPolicy.Limits,
    discard: DiscardPolicy.Old,
    storage: StorageType.File,
    ...BUILDERS_LIMITS,
  };
  await jsm.streams.update(BUILDERS_STREAM, settings).catch((error) => {
    if (!(error instanceof NatsError) || error.api_error?.err_code !== STREAM_NOT_FOUND) throw error;
    return jsm.streams.add({ name: BUILDERS_STREAM, ...settings });
  });
  return new NatsJournal(nc.jetstream(), log);
}

/** nats-server errors.json. */
const STREAM_NOT_FOUND = 10059;

class NatsJournal implements Journal {
  readonly #js: JetStreamClient;
  readonly #log: Logger;
  readonly #pending = new Set<Promise<void>>();

  constructor(js: JetStreamClient, log: Logger) {
    this.#js = js;
    this.#log = log;
  }

  publish(stored: StoredBuilder): void {
    const { builder, build, state, reason } = stored.record;
    this.#log.info({ builder, build, state, reason }, "builder");
    if (this.#pending.size >= PENDING_MAX) return;
    const sending: Promise<void> = this.#send(stored).finally(() => this.#pending.delete(sending));
    this.#pending.add(sending);
  }

  async flush(): Promise<void> {
    await Promise.all(this.#pending);
  }

  async #send({ record, revision }: StoredBuilder): Promise<void> {
    try {
      const msgID = `${record.builder}.${revision}`;
      await this.#js.publish(subjects.builderState(record.builder), JSON.stringify(record), { msgID });
    } catch (cause) {
      this.#log.warn(
        { builder: record.builder, build: record.build, cause: messageOf(cause) },
        "a lifecycle event was not stored",
      );
    }
  }
}
