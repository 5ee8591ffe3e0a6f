/** The output of cb-status, in the format of the original container-builder, which users' scripts parse. */
import { imageText } from "../../protocol/builder-image.ts";
import type { BuilderStatus, StatusReply } from "../../protocol/status-messages.ts";
import { storageText } from "../../protocol/storage-figures.ts";
import { quotaText } from "./quota-text.ts";

const RULE = "-------------";

/** `Active builders` are the leased ones, `Reserve builders` the ready ones. The quota, drained pools, the builder images and the storage follow if there are any. */
export function statusText({ pools, quota, storage, faults }: StatusReply): string {
  const builders = pools.flatMap((pool) => pool.builders);
  const of = (state: BuilderStatus["state"]) => builders.filter((builder) => builder.state === state);
  const sections = [...section("Active builders", of("leased")), "", ...section("Reserve builders", of("ready"))];
  return [
    ...sections,
    ...quotaSection(quota),
    ...drained(pools),
    ...images(pools),
    ...storageSection(storage, faults),
  ].join("\n");
}

/** The user's part of the quotas. */
function quotaSection(quota: StatusReply["quota"]): string[] {
  const text = quotaText(quota);
  return text === "" ? [] : ["", RULE, "Your quota", RULE, "", text];
}

/** One line for each pool that an operator has drained. */
function drained(pools: StatusReply["pools"]): string[] {
  const lines = pools.flatMap((pool) => (pool.drained === undefined ? [] : [pool.drained]));
  return lines.length === 0 ? [] : ["", RULE, "Drained pools", RULE, "", ...lines];
}

/** Free space, and each stream with a fault. */
function storageSection(storage: StatusReply["storage"], faults: readonly string[]): string[] {
  const lines = [...(storage === undefined ? [] : [storageText(storage)]), ...faults];
  return lines.length === 0 ? [] : ["", RULE, "Storage of NATS", RULE, "", ...lines];
}

/** One line for each pool, and another while its builders are being replaced with builders of a newer image. */
function images(pools: StatusReply["pools"]): string[] {
  const lines = pools.flatMap((pool) => pool.images.map((image) => `${pool.name}: ${imageText(image)}`));
  return lines.length === 0 ? [] : ["", RULE, "Builder images", RULE, "", ...lines];
}

function section(title: string, builders: readonly BuilderStatus[]): string[] {
  return [RULE, title, RULE, "", ...builders.flatMap(entry)];
}

/** No service listens on a builder, so there is no port. */
const entry = ({ id, host }: BuilderStatus): string[] => [`ID: ${id}`, `HOST: ${host}`, "PORT: -", RULE];
