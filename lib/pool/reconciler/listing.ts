/** One listing of the provider's machines, within its time limit. */

import { messageOf } from "../../core/errors.ts";
import type { ExecutorDependencies } from "./executor.ts";
import { limited } from "./limit.ts";
import type { Observation } from "./observation.ts";

export type ObservedMachines = Pick<Observation, "observedAtMs" | "complete" | "problem" | "machines">;

/** Never throws: a provider that cannot be listed gives a listing that is not complete, and the `error`. */
export async function observeMachines(
  { clock, policy, provider }: Pick<ExecutorDependencies, "clock" | "policy" | "provider">,
  signal: AbortSignal,
): Promise<ObservedMachines & { readonly error?: unknown }> {
  const limit = { clock, limitMs: policy.callTimeoutMs, signal, what: "the listing" };
  const askedAtMs = clock.nowMs();
  try {
    const seen = await limited(limit, (cut) => provider.listMachines(cut));
    const { complete, machines, startedAtMs = askedAtMs, problem = "the listing was cut short" } = seen;
    const observedAtMs = Math.min(startedAtMs, askedAtMs);
    return { observedAtMs, complete, machines, problem: complete ? "" : problem };
  } catch (error) {
    return { observedAtMs: askedAtMs, complete: false, machines: [], problem: messageOf(error), error };
  }
}
