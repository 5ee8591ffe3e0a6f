/** `cb-admin plan`: what the reconciler would do now, why, and when it looks again. */
import type { PlanReply } from "../../protocol/admin-messages.ts";

/** Ends with a line break. */
export function planText({ pools, nowMs }: PlanReply): string {
  return pools
    .flatMap(({ name, actions, reason, nextPassAtMs }) => [
      `pool ${name}: ${reason === "" ? "as it should be" : reason}`,
      ...(actions.length === 0 ? ["  nothing to do now"] : []),
      ...actions.flatMap(({ what, reason }) => [`  ${what}`, `    because: ${reason}`]),
      `  after that it looks again in ${(Math.max(0, nextPassAtMs - nowMs) / 1000).toFixed(1)} s, or when something happens`,
    ])
    .map((line) => `${line}\n`)
    .join("");
}
