/** The machines of a pool as the provider has them, for operators: their consoles, and the destroying of one by name. */
import type { Clock } from "../core/clock.ts";
import type { Logger } from "../core/log.ts";
import type { Provider } from "../provider/provider.ts";
import { withTimeLimit } from "./reconciler/limit.ts";
import type { Observation } from "./reconciler/observation.ts";
import type { PoolPolicy } from "./reconciler/policy.ts";
import { otherGenerationMachine } from "./views.ts";

export interface MachinesOptions {
  readonly provider: Provider;
  readonly policy: Pick<PoolPolicy, "pool" | "callTimeoutMs">;
  readonly clock: Clock;
  readonly log: Logger;
  /** The observation of a pass now. */
  readonly observe: () => Promise<Observation>;
  /** Aborts the calls. */
  readonly signal: AbortSignal;
}

export class Machines {
  readonly #options: MachinesOptions;

  constructor(options: MachinesOptions) {
    this.#options = options;
  }

  /**
   * The newest `maxBytes` of the console output. Throws CbError "infrastructure" if the provider fails or after
   * `limitMs`.
   */
  console(builder: string, maxBytes: number, limitMs: number): Promise<Uint8Array> {
    const { clock, provider, signal } = this.#options;
    const limit = { clock, signal, limitMs, operation: "the console call" };
    return withTimeLimit(limit, (callSignal) => provider.consoleOutput(builder, maxBytes, callSignal));
  }

  /**
   * Destroys a machine of this installation and another generation, if it is of this pool or of a pool that is not in
   * `pools`. Returns false if there is no such machine. Throws CbError "usage" if the machine is of this generation,
   * and "infrastructure" if the provider fails.
   */
  async destroyOtherGeneration(builder: string, pools: ReadonlySet<string>): Promise<boolean> {
    const { clock, policy, provider, log, observe, signal } = this.#options;
    const observed = await observe();
    const machine = otherGenerationMachine(builder, observed, { pool: policy.pool, pools });
    if (machine === undefined) return false;
    log.warn({ builder, generation: machine.generation }, "an operator destroys a machine of another generation");
    const limit = { clock, signal, limitMs: policy.callTimeoutMs, operation: "the destroy call" };
    await withTimeLimit(limit, (callSignal) => provider.destroy(builder, callSignal));
    return true;
  }
}
