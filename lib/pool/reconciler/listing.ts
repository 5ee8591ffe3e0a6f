/** One listing of the provider's machines, within its time limit. */

import { messageOf } from "../../core/errors.ts";
import type { Hands } from "./executor.ts";
import { limited } from "./limit.ts";
import type { Seen } from "./observation.ts";

export type Listing = Pick<Seen, "observedAtMs" | "complete" | "problem" | "machines">;

/** Never throws: a provider that cannot be listed gives a listing that is not complete, and the `error`. */
export async function listMachines(
  { clock, policy, provider }: Pick<Hands, "clock" | "policy" | "provider">,
  signal: AbortSignal,
): Promise<Listing & { readonly error?: unknown }> {
  const limit = { clock, limitMs: policy.callTimeoutMs, signal, what: "the listing" };
  const askedAtMs = clock.nowMs();
  try {
    const seen = await limited(limit, (cut) => provider.observe(cut));
    const { complete, machines, startedAtMs = askedAtMs, problem = "the listing was cut short" } = seen;
    const observedAtMs = Math.min(startedAtMs, askedAtMs);
    return { observedAtMs, complete, machines, problem: complete ? "" : problem };
  } catch (error) {
    return { observedAtMs: askedAtMs, complete: false, machines: [], problem: messageOf(error), error };
  }
}
