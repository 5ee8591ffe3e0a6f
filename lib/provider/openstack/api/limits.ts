/** The project's quotas and their use: nova's limits of servers, cores and memory, and neutron's limit of ports. */
import * as v from "valibot";
import { CbError } from "../../../core/errors.ts";
import type { ProviderLimit } from "../../provider.ts";
import type { Compute } from "./compute.ts";
import { refusalOf } from "./refusal.ts";
import type { CloudSession } from "./session.ts";

/** nova and neutron send -1 for "unlimited". */
const max = v.pipe(
  v.number(),
  v.transform((number) => (number < 0 ? undefined : number)),
);
const absolute = v.object({
  maxTotalInstances: max,
  totalInstancesUsed: v.number(),
  maxTotalCores: max,
  totalCoresUsed: v.number(),
  maxTotalRAMSize: max,
  totalRAMUsed: v.number(),
});
const computeReply = v.object({ limits: v.object({ absolute }) });
const networkReply = v.object({ quota: v.object({ port: v.object({ limit: max, used: v.number() }) }) });

export class CloudLimits {
  readonly #session: CloudSession;
  readonly #compute: Compute;

  constructor(session: CloudSession, compute: Compute) {
    this.#session = session;
    this.#compute = compute;
  }

  /** The limits that a machine counts against. Throws CbError. */
  async read(signal: AbortSignal): Promise<ProviderLimit[]> {
    const [compute, ports] = await Promise.all([this.#computeLimits(signal), this.#portLimit(signal)]);
    return [...compute, ...ports];
  }

  async #computeLimits(signal: AbortSignal): Promise<ProviderLimit[]> {
    const { body } = await this.#compute.get("/limits", signal, "nova's limits");
    const parsed = v.safeParse(computeReply, body);
    if (!parsed.success) throw new CbError("infrastructure", "nova's reply is not a list of limits");
    const { absolute: limits } = parsed.output.limits;
    return [
      { unit: "instances", used: limits.totalInstancesUsed, max: limits.maxTotalInstances },
      { unit: "cores", used: limits.totalCoresUsed, max: limits.maxTotalCores },
      { unit: "MiB of memory", used: limits.totalRAMUsed, max: limits.maxTotalRAMSize },
    ];
  }

  /** Empty on a cloud without neutron's "details" of quotas, which not every network plugin implements. */
  async #portLimit(signal: AbortSignal): Promise<ProviderLimit[]> {
    const path = `/v2.0/quotas/${encodeURIComponent(await this.#session.projectId(signal))}/details.json`;
    const reply = await this.#session.call({ service: "network", path, method: "GET", signal });
    if (reply.status >= 500) throw refusalOf(reply, "neutron's limits");
    const parsed = v.safeParse(networkReply, reply.body);
    if (!parsed.success) return [];
    const { limit, used } = parsed.output.quota.port;
    return [{ unit: "ports", used, max: limit }];
  }
}

/** "4 of 20 instances, 8 cores (no limit)". */
export function limitsText(limits: readonly ProviderLimit[]): string {
  return limits
    .map(({ unit, used, max }) => (max === undefined ? `${used} ${unit} (no limit)` : `${used} of ${max} ${unit}`))
    .join(", ");
}

export const exhaustedLimits = (limits: readonly ProviderLimit[]): ProviderLimit[] =>
  limits.filter(({ used, max }) => max !== undefined && used >= max);
