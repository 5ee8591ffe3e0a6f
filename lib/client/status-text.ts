/** cb-status's output, in the shape that people and their scripts know from the original. */
import type { BuilderStatus, StatusReply } from "../bus/status-messages.ts";

const RULE = "-------------";

/** `Active builders` are those with a build, `Reserve builders` those that wait for one. */
export function statusText({ pools }: StatusReply): string {
  const builders = pools.flatMap((pool) => pool.builders);
  const of = (state: BuilderStatus["state"]) => builders.filter((builder) => builder.state === state);
  return [...section("Active builders", of("leased")), "", ...section("Reserve builders", of("ready"))].join("\n");
}

function section(title: string, builders: readonly BuilderStatus[]): string[] {
  return [RULE, title, RULE, "", ...builders.flatMap(entry)];
}

/** Nothing listens on a builder, so there is no port. */
const entry = ({ id, host }: BuilderStatus): string[] => [`ID: ${id}`, `HOST: ${host}`, "PORT: -", RULE];
