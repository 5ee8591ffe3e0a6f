/**
 * The storage of JetStream: the limit of a server (`max_file`), and what its streams have reserved of it. Each server reports its
 * own figures; JetStream's account info shows no limit, because CORE has none, and nats-server 2.9 shows no reserved bytes there.
 */
import { type NatsConnection, RequestStrategy } from "nats";
import * as v from "valibot";
import { count } from "../../protocol/fields.ts";
import type { StorageFigures } from "../../protocol/storage-figures.ts";
import { STORAGE_SUBJECT } from "../../protocol/subjects.ts";
import { parseJson } from "./api.ts";

/** A server replies within 3 ms (measured on 2.9.10, 2.10.27 and 2.15.1). */
const REPLY_MS = 1_000;

const report = v.object({
  data: v.object({ config: v.object({ max_storage: count }), reserved_storage: v.optional(count, 0) }),
});

/**
 * The figures of the fullest of the first `replicas` servers that reply. Undefined when none replies: JetStream is stuck, or the
 * installation is older than the import of this report. Throws when the connection is closed.
 */
export async function readStorage(nc: NatsConnection, replicas: number): Promise<StorageFigures | undefined> {
  const strategy = { strategy: RequestStrategy.Count, maxMessages: replicas, maxWait: REPLY_MS };
  let fullest: StorageFigures | undefined;
  for await (const reply of await nc.requestMany(STORAGE_SUBJECT, "", strategy)) {
    if (reply instanceof Error) continue;
    const parsed = v.safeParse(report, parseJson(reply.data));
    if (!parsed.success) continue;
    const { config, reserved_storage } = parsed.output.data;
    const totalBytes = config.max_storage;
    const freeBytes = Math.max(0, totalBytes - reserved_storage);
    if (fullest === undefined || freeBytes < fullest.freeBytes) fullest = { freeBytes, totalBytes };
  }
  return fullest;
}
