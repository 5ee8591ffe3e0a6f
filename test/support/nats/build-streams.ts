/** The streams of one build as the queue creates them: limited, without rollups, delete and purge denied. */
import { DiscardPolicy, type JetStreamManager, RetentionPolicy, StorageType, type StreamConfig } from "nats";
import { buildBucketStream, buildStream, subjects } from "../../../lib/protocol/subjects.ts";

const MiB = 1024 * 1024;

export const MAX_CONSUMERS = 8;

const BOUNDED: Partial<StreamConfig> = {
  storage: StorageType.File,
  retention: RetentionPolicy.Limits,
  num_replicas: 1,
  discard: DiscardPolicy.New,
  deny_delete: true,
  deny_purge: true,
  allow_rollup_hdrs: false,
  allow_direct: false,
  max_consumers: MAX_CONSUMERS,
};

/** `maxBytes` bounds each of the two. */
export async function makeBuildStreams(manager: JetStreamManager, build: string, maxBytes = 64 * MiB): Promise<void> {
  const bounded = { ...BOUNDED, max_bytes: maxBytes };
  await manager.streams.add({
    ...bounded,
    name: buildStream(build),
    subjects: [subjects.log(build), subjects.state(build)],
  });
  await manager.streams.add({
    ...bounded,
    name: buildBucketStream(build),
    subjects: [`$O.build-${build}.C.>`, `$O.build-${build}.M.>`],
  });
}
