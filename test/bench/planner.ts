/** One pass of the planner over many builders. */
import { plan } from "../../lib/pool/reconciler/planner.ts";
import { NOW, observed, policy, record } from "../unit/pool/reconciler/observed.ts";
import type { Benchmark } from "./benchmark.ts";
import { secondsOf } from "./measure.ts";

const BUILDERS = 10_000;
/** V8 has optimized the planner by then. */
const WARM_UP = 20;

export const planner: Benchmark = {
  rows: [{ name: "planner", what: "one plan for 10,000 builders", unit: "ms", goal: "≤ 5" }],
  rounds: 21,
  async start() {
    const input = observed(
      Array.from({ length: BUILDERS }, (_, n) => record(`b${n}`, n % 3 === 0 ? "leased" : "ready")),
    );
    const wide = { ...policy, reserveTarget: BUILDERS, totalMax: BUILDERS };
    const ours = async () => [1000 * (await secondsOf(() => plan(input, wide, NOW)))];
    for (let n = 0; n < WARM_UP; n += 1) await ours();
    return { ours };
  },
};
