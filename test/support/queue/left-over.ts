/** Checks that nothing but the reserve and the records of ended builds is left when no build waits or runs. */
import { readdirSync } from "node:fs";
import type { NatsConnection } from "nats";
import { type BuilderRecord, parseClaim, parseRecord } from "../../../lib/pool/state/record.ts";
import { decode } from "../../../lib/protocol/codec.ts";
import { BUILDERS_STREAM, buildBucketStream, buildOfStream, buildStream } from "../../../lib/protocol/subjects.ts";
import { buildRecord } from "../../../lib/queue/builds/record.ts";
import type { Stack } from "../stack.ts";

/** A description of each fault. Empty: nothing is left over. */
export async function leftOver(stack: Stack, core: NatsConnection, reserve = 2): Promise<string[]> {
  return [...(await poolFaults(stack, core, reserve)), ...(await buildFaults(core))];
}

async function poolFaults(stack: Stack, core: NatsConnection, reserve: number): Promise<string[]> {
  const records = (await valuesOf(core, "cb-builders", "local.")).map(([key, value]) => parseRecord(value, key));
  const ready = records.filter(({ state }) => state === "ready").map(({ builder }) => builder);
  const slots = (await valuesOf(core, "cb-slots", "local.")).map(([key, value]) => parseClaim(value, key).builder);
  const machines = readdirSync(stack.statePath("sandboxes"));
  const others = records.filter(({ state }) => state !== "ready").map(faultOf);
  return [
    ...(ready.length === reserve ? [] : [`${ready.length} of ${reserve} builders are ready`]),
    ...others,
    ...different("slots", slots, ready),
    ...different("machines", machines, ready),
  ];
}

const faultOf = ({ builder, state }: BuilderRecord): string => `builder ${builder} is ${state}`;

function different(what: string, found: readonly string[], expected: readonly string[]): string[] {
  const isSame = found.length === expected.length && found.every((builder) => expected.includes(builder));
  return isSame ? [] : [`${what} of ${found.join(", ")}, but the ready builders are ${expected.join(", ")}`];
}

/** Every build must have ended after one lease, with only its record and its sealed stream left. */
async function buildFaults(core: NatsConnection): Promise<string[]> {
  const values = await valuesOf(core, "cb-builds", "build.");
  const records = values.map(([key, value]) => decode(buildRecord, Buffer.from(value), key));
  const faults = records.flatMap(({ build, state, announced, bucketDeleted, attempt }) => [
    ...(state === "ended" && announced && bucketDeleted
      ? []
      : [`build ${build} is ${state}, announced: ${announced}, bucketDeleted: ${bucketDeleted}`]),
    ...(attempt <= 1 ? [] : [`build ${build} was leased ${attempt} times`]),
  ]);
  const known = new Set(records.map(({ build }) => buildStream(build)));
  const jsm = await core.jetstreamManager();
  for await (const { config, state } of jsm.streams.list()) {
    const build = buildOfStream(config.name);
    if (build === undefined) continue;
    if (config.name === buildBucketStream(build)) faults.push(`bucket ${config.name} is left`);
    else if (!known.has(config.name)) faults.push(`${config.name} has no record`);
    else if (!config.sealed) faults.push(`${config.name} is not sealed`);
    else if (state.consumer_count > 0) faults.push(`${config.name} has ${state.consumer_count} consumers`);
  }
  const recipes = await valuesOf(core, "cb-recipes", "recipe.");
  return [...faults, ...recipes.map(([key]) => `${key} is left`)];
}

async function valuesOf(core: NatsConnection, bucket: string, prefix: string): Promise<[string, string][]> {
  const kv = await core.jetstream().views.kv(bucket, { bindOnly: true });
  const info = await (await core.jetstreamManager()).streams.info(`KV_${bucket}`, { subjects_filter: ">" });
  const keys = Object.keys(info.state.subjects ?? {}).map((subject) => subject.slice(`$KV.${bucket}.`.length));
  const values: [string, string][] = [];
  for (const key of keys.filter((name) => name.startsWith(prefix))) {
    const entry = await kv.get(key);
    if (entry?.operation === "PUT") values.push([key, entry.string()]);
  }
  return values;
}

/** Builders that were leased to more than one build, according to the stream of builder states. */
export async function leasedTwice(core: NatsConnection): Promise<string[]> {
  const leases = new Map<string, Set<string>>();
  const consumer = await core.jetstream().consumers.get(BUILDERS_STREAM);
  const { num_pending: pending } = await consumer.info();
  if (pending === 0) return [];
  const messages = await consumer.fetch({ max_messages: pending });
  for await (const message of messages) {
    const builder = message.subject.split(".")[1] ?? "";
    const { state, build } = message.json<{ state: string; build?: string }>();
    if (state === "leased") leases.set(builder, (leases.get(builder) ?? new Set()).add(build ?? ""));
  }
  return [...leases].filter(([, builds]) => builds.size > 1).map(([builder]) => builder);
}
