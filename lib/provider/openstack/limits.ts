/** What a project may have on a cloud, and what it has: nova's limits, and neutron's of ports. */
import * as v from "valibot";
import { CbError } from "../../core/errors.ts";
import type { Compute } from "./api/compute.ts";
import { refusalOf } from "./api/refusal.ts";
import type { CloudSession } from "./api/session.ts";

export interface Limit {
  /** As people say it: "instances". */
  readonly what: string;
  readonly used: number;
  /** Undefined: there is none. */
  readonly most: number | undefined;
}

/** -1 is nova's and neutron's word for no limit. */
const most = v.pipe(
  v.number(),
  v.transform((number) => (number < 0 ? undefined : number)),
);
const absolute = v.object({
  maxTotalInstances: most,
  totalInstancesUsed: v.number(),
  maxTotalCores: most,
  totalCoresUsed: v.number(),
  maxTotalRAMSize: most,
  totalRAMUsed: v.number(),
});
const computeReply = v.object({ limits: v.object({ absolute }) });
const networkReply = v.object({ quota: v.object({ port: v.object({ limit: most, used: v.number() }) }) });

export class CloudLimits {
  readonly #session: CloudSession;
  readonly #compute: Compute;

  constructor(session: CloudSession, compute: Compute) {
    this.#session = session;
    this.#compute = compute;
  }

  /** What a machine takes of each. Throws CbError. */
  async read(signal: AbortSignal): Promise<Limit[]> {
    const [compute, ports] = await Promise.all([this.#ofCompute(signal), this.#ofPorts(signal)]);
    return [...compute, ...ports];
  }

  async #ofCompute(signal: AbortSignal): Promise<Limit[]> {
    const { body } = await this.#compute.get("/limits", signal, "nova's limits");
    const parsed = v.safeParse(computeReply, body);
    if (!parsed.success) throw new CbError("infrastructure", "nova answers with something else than its limits");
    const { absolute: is } = parsed.output.limits;
    return [
      { what: "instances", used: is.totalInstancesUsed, most: is.maxTotalInstances },
      { what: "cores", used: is.totalCoresUsed, most: is.maxTotalCores },
      { what: "MiB of memory", used: is.totalRAMUsed, most: is.maxTotalRAMSize },
    ];
  }

  /** Clouds with another neutron than the reference do not tell; then there is nothing to show. */
  async #ofPorts(signal: AbortSignal): Promise<Limit[]> {
    const path = `/v2.0/quotas/${encodeURIComponent(await this.#session.projectId(signal))}/details.json`;
    const answer = await this.#session.call({ service: "network", path, method: "GET", signal });
    if (answer.status >= 500) throw refusalOf(answer, "neutron's limits");
    const parsed = v.safeParse(networkReply, answer.body);
    if (!parsed.success) return [];
    const { limit, used } = parsed.output.quota.port;
    return [{ what: "ports", used, most: limit }];
  }
}

/** "4 of 20 instances, 8 cores (no limit)". */
export function limitsText(limits: readonly Limit[]): string {
  return limits
    .map(({ what, used, most }) => (most === undefined ? `${used} ${what} (no limit)` : `${used} of ${most} ${what}`))
    .join(", ");
}

export const reached = (limits: readonly Limit[]): Limit[] =>
  limits.filter(({ used, most }) => most !== undefined && used >= most);
