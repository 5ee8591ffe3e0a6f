/** Whether a request gets an earlier build with the same inputs. Pure. */
import type { BuildRecord } from "../builds/record.ts";

/**
 * Requests that share one build. Each reads its stream with one consumer, and once more after a reconnect; a stream takes 16
 * (BuildStreams).
 */
export const CLIENTS_MAX = 8;

/** `join`: it waits or runs. `use`: it has ended, and its image is kept. `reason`: for the user; empty when it says nothing new. */
export type ReuseDecision = { readonly kind: "join" | "use" } | { readonly kind: "anew"; readonly reason: string };

/** `images`: the ids of the images that the builders of its pool have now. */
export function decideReuse(record: BuildRecord, images: ReadonlySet<string>): ReuseDecision {
  const { build, state, final, builderImage, bucketDeleted } = record;
  const name = build.slice(0, 8);
  const isOtherImage = builderImage === undefined || !images.has(builderImage);
  if (state === "waiting") return joinable(record);
  // A failed build is tried again, as its user expects.
  if (state === "ended" && final?.state !== "succeeded") return anew("");
  if (bucketDeleted) return anew(`the image of ${name} is no longer kept`);
  if (isOtherImage) return anew(`the builders have another image than that of ${name}`);
  return state === "leased" ? joinable(record) : { kind: "use" };
}

const joinable = ({ build, clients = [] }: BuildRecord): ReuseDecision =>
  clients.length < CLIENTS_MAX
    ? { kind: "join" }
    : anew(`${clients.length} calls already wait for ${build.slice(0, 8)}, the most`);

const anew = (reason: string): ReuseDecision => ({ kind: "anew", reason });

/** One more request waits for the build. Undefined when it cannot be joined any more. */
export function clientJoined(record: BuildRecord, request: string): BuildRecord | undefined {
  const { state, clients = [record.request] } = record;
  if (state === "ended" || clients.length >= CLIENTS_MAX) return undefined;
  return clients.includes(request) ? record : { ...record, clients: [...clients, request] };
}

/** The other requests that wait for a live build. */
export const othersOf = ({ state, clients = [] }: BuildRecord, request: string): string[] =>
  state === "ended" ? [] : clients.filter((one) => one !== request);

/** The request no longer waits. Undefined when no other does: then the build ends with it. */
export function clientLeft(record: BuildRecord, request: string): BuildRecord | undefined {
  const clients = othersOf(record, request);
  return clients.length === 0 ? undefined : { ...record, clients };
}

/** The image is given to another request. Undefined when it is given up. */
export function imageUsed(record: BuildRecord, key: string, nowMs: number): BuildRecord | undefined {
  if (record.same !== key || record.bucketDeleted || record.final?.state !== "succeeded") return undefined;
  return { ...record, usedAtMs: nowMs };
}

/** No further request gets the build. Undefined when that is recorded already. */
export function givenUp(record: BuildRecord): BuildRecord | undefined {
  if (record.same === undefined) return undefined;
  const { same: _, ...rest } = record;
  return rest;
}
