/**
 * Compares the stores of the hosts of a cluster, by what each server reports about itself. The leader's word about the others
 * (`current`) is not enough: it is the highest message that a server has ever confirmed, also when its disk was emptied since.
 */
import { type NatsConnection, RequestStrategy } from "nats";
import * as v from "valibot";
import { parseJson } from "../../../lib/nats/jetstream/api.ts";
import { count } from "../../../lib/protocol/fields.ts";
import { STORAGE_SUBJECT } from "../../../lib/protocol/subjects.ts";

/** The last message of each stream, by its name. */
export type LastMessages = ReadonlyMap<string, number>;

export interface StoreReport {
  readonly server: string;
  /** Members of JetStream that the server knows. */
  readonly members: number;
  readonly last: LastMessages;
}

/** A server with 1000 streams takes some tens of milliseconds. */
const REPLY_MS = 5_000;

const stream = v.object({ name: v.string(), state: v.object({ last_seq: count }) });
const report = v.object({
  server: v.object({ name: v.string() }),
  data: v.object({
    meta_cluster: v.optional(v.object({ cluster_size: v.optional(count, 0) })),
    account_details: v.nullish(v.array(v.object({ stream_detail: v.nullish(v.array(stream), []) })), []),
  }),
});

/** The reports of the servers that reply. */
export async function storeReports(nc: NatsConnection, servers: number): Promise<StoreReport[]> {
  const strategy = { strategy: RequestStrategy.Count, maxMessages: servers, maxWait: REPLY_MS };
  const options = JSON.stringify({ accounts: true, streams: true });
  const found: StoreReport[] = [];
  for await (const reply of await nc.requestMany(STORAGE_SUBJECT, options, strategy)) {
    const parsed = v.safeParse(report, reply instanceof Error ? undefined : parseJson(reply.data));
    if (!parsed.success) continue;
    const { server, data } = parsed.output;
    const details = data.account_details?.flatMap(({ stream_detail }) => stream_detail ?? []) ?? [];
    const last = new Map(details.map(({ name, state }) => [name, state.last_seq]));
    found.push({ server: server.name, members: data.meta_cluster?.cluster_size ?? 0, last });
  }
  return found;
}

/** The streams that all other servers have, so that they have replicas. Undefined when one of them did not report. */
export function replicated(host: string, reports: readonly StoreReport[], servers: number): LastMessages | undefined {
  const others = reports.filter(({ server }) => server !== host).map(({ last }) => last);
  const [first, ...more] = others;
  if (first === undefined || others.length < servers - 1) return undefined;
  const common = [...first].filter(([name]) => more.every((last) => last.has(name)));
  return new Map(common.map(([name]) => [name, Math.max(...others.map((last) => last.get(name) ?? 0))]));
}

/** Why the host has less than `wanted`; undefined when it has all of it. Streams that were deleted since do not count. */
export function lackOf(host: string, wanted: LastMessages, reports: readonly StoreReport[], servers: number) {
  const own = reports.find(({ server }) => server === host);
  if (own === undefined) return "it does not report";
  if (own.members < servers) return `JetStream has ${own.members} of ${servers} members`;
  const still = replicated(host, reports, servers);
  if (still === undefined) return "another host does not report";
  const behind = [...wanted].filter(([name, last]) => still.has(name) && (own.last.get(name) ?? -1) < last);
  return behind.length === 0 ? undefined : `${behind.length} of ${wanted.size} streams are not complete`;
}
