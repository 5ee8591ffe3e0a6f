/** What cb-status is told about one pool. */
import type { StatusReply } from "../bus/status-messages.ts";
import type { Pool } from "../pool/pool.ts";
import type { BuilderView } from "../pool/views.ts";

interface NamedPool {
  readonly name: string;
  readonly arch: string;
  readonly pool: Pool;
}

export function poolStatus({ name, arch, pool }: NamedPool): StatusReply["pools"][number] {
  const { active, reserve, booting, destroying, reserveTarget, totalMax, why } = pool.status();
  return {
    name,
    arch,
    reserve: { target: reserveTarget, ready: reserve.length, max: totalMax },
    why,
    builders: [...active, ...reserve, ...booting, ...destroying].flatMap(entry),
  };
}

/** What is gone is nobody's news. */
function entry({ builder, host, state, sinceMs, reason }: BuilderView): StatusReply["pools"][number]["builders"] {
  return state === "gone" ? [] : [{ id: builder, host, state, sinceMs, reason }];
}
