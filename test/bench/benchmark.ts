/** A benchmark: its rows of the table, and its start on shared servers. */
import type { Row, Sides } from "./measure.ts";
import type { World } from "./world.ts";

export interface Benchmark {
  readonly rows: readonly Row[];
  /** Rounds unless it is quick. Default 5. */
  readonly rounds?: number;
  /** True: not part of a quick run. */
  readonly slow?: boolean;
  /** Prepares inputs and servers; the rounds are measured, and this is not. */
  start(world: World): Promise<Sides>;
}
