/** Streams as a queue makes them, and their content as texts. */
import { randomBytes, randomUUID } from "node:crypto";
import type { NatsConnection } from "nats";
import { openKvStore } from "../../../lib/nats/jetstream/kv.ts";
import { buildChunkWildcard, subjects } from "../../../lib/protocol/subjects.ts";
import { BuildStreams } from "../../../lib/queue/builds/streams.ts";
import { healthOf } from "../nats/health-of.ts";

export interface MadeStreams {
  readonly ended: string;
  readonly live: string;
}

/** Records, the sealed log and the image of one build, and the log of a live one with the context that it waits for. */
export async function makeStreams(core: NatsConnection, imageBytes = 3 * 1024 * 1024): Promise<MadeStreams> {
  const [ended, live] = [randomUUID(), randomUUID()];
  for (const bucket of ["cb-builds", "cb-recipes", "cb-builders", "cb-slots", "cb-users"]) {
    const kv = await openKvStore(core, { bucket, replicas: 1, maxBytes: 1024 ** 2 });
    await kv.create("a.removed", "x");
    const revision = await kv.create("a.kept", `the first value in ${bucket}`);
    await kv.update("a.kept", `the newest value in ${bucket}`, revision);
    await kv.remove("a.removed", 1);
  }
  const streams = new BuildStreams(core, { replicas: 1, logBytes: 1024 ** 2 }, healthOf(core));
  const js = core.jetstream();
  for (const build of [ended, live]) {
    await streams.create(build);
    await streams.reserveLog(build);
    await streams.reserveObject(build, { bytes: imageBytes, chunkBytes: 65_536 }, imageBytes);
    await js.publish(subjects.log(build), `a line of ${build}\n`);
    const chunk = buildChunkWildcard(build).replace(">", "x");
    for (let at = 0; at < imageBytes; at += 524_288) await js.publish(chunk, randomBytes(524_288));
  }
  await streams.seal(ended, { v: 1, state: "succeeded", image: { size: imageBytes, sha256: "0".repeat(64) } } as never);
  return { ended, live };
}

/** Configuration, numbers and messages of every stream, by its name. */
export async function contentOf(core: NatsConnection): Promise<Record<string, unknown>> {
  const { streams } = await core.jetstreamManager();
  const found: Record<string, unknown> = {};
  for await (const { config, state } of streams.list()) {
    const messages: string[] = [];
    for (let seq = state.first_seq; seq <= state.last_seq; seq++) {
      const message = await streams.getMessage(config.name, { seq }).catch(() => undefined);
      if (message !== undefined) messages.push(`${seq} ${message.subject} ${message.string().slice(0, 60)}`);
    }
    const { subjects: taken, max_bytes, sealed, discard, deny_delete, max_msgs_per_subject } = config;
    const settings = { taken, max_bytes, sealed, discard, deny_delete, max_msgs_per_subject };
    found[config.name] = { settings, last: state.last_seq, bytes: state.bytes, messages };
  }
  return Object.fromEntries(Object.entries(found).sort());
}
