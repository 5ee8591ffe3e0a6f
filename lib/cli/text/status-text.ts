/** cb-status's output, in the shape that people and their scripts know from the original. */
import { imageText } from "../../protocol/builder-image.ts";
import type { BuilderStatus, StatusReply } from "../../protocol/status-messages.ts";

const RULE = "-------------";

/**
 * `Active builders` are those with a build, `Reserve builders` those that wait for one; what they were made of follows where it
 * is known.
 */
export function statusText({ pools }: StatusReply): string {
  const builders = pools.flatMap((pool) => pool.builders);
  const of = (state: BuilderStatus["state"]) => builders.filter((builder) => builder.state === state);
  const sections = [...section("Active builders", of("leased")), "", ...section("Reserve builders", of("ready"))];
  return [...sections, ...images(pools)].join("\n");
}

/** A line a pool, and one more while its builders are renewed from another image. */
function images(pools: StatusReply["pools"]): string[] {
  const lines = pools.flatMap((pool) => pool.images.map((image) => `${pool.name}: ${imageText(image)}`));
  return lines.length === 0 ? [] : ["", RULE, "Builder images", RULE, "", ...lines];
}

function section(title: string, builders: readonly BuilderStatus[]): string[] {
  return [RULE, title, RULE, "", ...builders.flatMap(entry)];
}

/** Nothing listens on a builder, so there is no port. */
const entry = ({ id, host }: BuilderStatus): string[] => [`ID: ${id}`, `HOST: ${host}`, "PORT: -", RULE];
