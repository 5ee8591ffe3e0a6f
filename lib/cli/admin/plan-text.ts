/** The output of `cb-admin plan`: the reconciler's actions, their reasons, and the time of its next pass. */
import type { PlanReply } from "../../protocol/admin-messages.ts";

/** Ends with a line break. */
export function planText({ pools, nowMs }: PlanReply): string {
  return pools
    .flatMap(({ name, actions, reason, nextPassAtMs }) => [
      `pool ${name}: ${reason === "" ? "in the desired state" : reason}`,
      ...(actions.length === 0 ? ["  no actions"] : []),
      ...actions.flatMap(({ what, reason }) => [`  ${what}`, `    reason: ${reason}`]),
      `  next pass in ${(Math.max(0, nextPassAtMs - nowMs) / 1000).toFixed(1)} s, or at the next event`,
    ])
    .map((line) => `${line}\n`)
    .join("");
}
