/** What a queue may leave behind when nothing is built any more: the reserve, and the records of what was. */
import { readdirSync } from "node:fs";
import type { NatsConnection } from "nats";
import { type BuilderRecord, parseClaim, parseRecord } from "../../../lib/pool/state/record.ts";
import { decode } from "../../../lib/protocol/codec.ts";
import { BUILDERS_STREAM, buildBucketStream, buildOfStream, buildStream } from "../../../lib/protocol/subjects.ts";
import { buildRecord } from "../../../lib/queue/builds/record.ts";
import type { Stack } from "../stack.ts";

/** Everything that is not as it should be in the end, in words. Empty: all is calm. */
export async function leftOver(stack: Stack, core: NatsConnection, reserve = 2): Promise<string[]> {
  return [...(await poolFaults(stack, core, reserve)), ...(await buildFaults(core))];
}

async function poolFaults(stack: Stack, core: NatsConnection, reserve: number): Promise<string[]> {
  const records = (await valuesOf(core, "cb-builders", "local.")).map(([key, value]) => parseRecord(value, key));
  const ready = records.filter(({ state }) => state === "ready").map(({ builder }) => builder);
  const slots = (await valuesOf(core, "cb-slots", "local.")).map(([key, value]) => parseClaim(value, key).builder);
  const machines = readdirSync(stack.statePath("sandboxes"));
  const others = records.filter(({ state }) => state !== "ready").map(nameOf);
  return [
    ...(ready.length === reserve ? [] : [`${ready.length} of ${reserve} builders are ready`]),
    ...others,
    ...different("slots", slots, ready),
    ...different("machines", machines, ready),
  ];
}

const nameOf = ({ builder, state }: BuilderRecord): string => `builder ${builder} is ${state}`;

function different(what: string, found: readonly string[], wanted: readonly string[]): string[] {
  const same = found.length === wanted.length && found.every((one) => wanted.includes(one));
  return same ? [] : [`${what} of ${found.join(", ")}, but ready are ${wanted.join(", ")}`];
}

/** Every build has ended, was leased once, and nothing of it is left but its record and its sealed stream. */
async function buildFaults(core: NatsConnection): Promise<string[]> {
  const values = await valuesOf(core, "cb-builds", "build.");
  const records = values.map(([key, value]) => decode(buildRecord, Buffer.from(value), key));
  const faults = records.flatMap(({ build, state, announced, emptied, attempt }) => [
    ...(state === "ended" && announced && emptied ? [] : [`build ${build} is ${state}, ${announced}, ${emptied}`]),
    ...(attempt <= 1 ? [] : [`build ${build} was leased ${attempt} times`]),
  ]);
  const known = new Set(records.map(({ build }) => buildStream(build)));
  const jsm = await core.jetstreamManager();
  for await (const { config, state } of jsm.streams.list()) {
    const build = buildOfStream(config.name);
    if (build === undefined) continue;
    if (config.name === buildBucketStream(build)) faults.push(`there is a bucket ${config.name}`);
    else if (!known.has(config.name)) faults.push(`no record knows ${config.name}`);
    else if (!config.sealed) faults.push(`${config.name} is not sealed`);
    else if (state.consumer_count > 0) faults.push(`${config.name} has ${state.consumer_count} consumers`);
  }
  const recipes = await valuesOf(core, "cb-recipes", "recipe.");
  return [...faults, ...recipes.map(([key]) => `there is a ${key}`)];
}

async function valuesOf(core: NatsConnection, bucket: string, prefix: string): Promise<[string, string][]> {
  const kv = await core.jetstream().views.kv(bucket, { bindOnly: true });
  const info = await (await core.jetstreamManager()).streams.info(`KV_${bucket}`, { subjects_filter: ">" });
  const keys = Object.keys(info.state.subjects ?? {}).map((subject) => subject.slice(`$KV.${bucket}.`.length));
  const values: [string, string][] = [];
  for (const key of keys.filter((one) => one.startsWith(prefix))) {
    const entry = await kv.get(key);
    if (entry?.operation === "PUT") values.push([key, entry.string()]);
  }
  return values;
}

/** Builders that the queue gave to more than one build, as its own audit has it. */
export async function leasedTwice(core: NatsConnection): Promise<string[]> {
  const leases = new Map<string, Set<string>>();
  const consumer = await core.jetstream().consumers.get(BUILDERS_STREAM);
  const { num_pending: told } = await consumer.info();
  if (told === 0) return [];
  const messages = await consumer.fetch({ max_messages: told });
  for await (const message of messages) {
    const builder = message.subject.split(".")[1] ?? "";
    const { state, build } = message.json<{ state: string; build?: string }>();
    if (state === "leased") leases.set(builder, (leases.get(builder) ?? new Set()).add(build ?? ""));
  }
  return [...leases].filter(([, builds]) => builds.size > 1).map(([builder]) => builder);
}
