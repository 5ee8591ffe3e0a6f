/** Which machines an operator may have destroyed by name: those that nobody else looks after. Pure. */

import { CbError } from "../core/errors.ts";
import type { Machine } from "../provider/provider.ts";
import type { Observation } from "./reconciler/observation.ts";
import { type Belonging, belongs } from "./survey.ts";

/**
 * The machine, if it is this pool's and of another generation of records. Undefined when the listing does not show it. Throws
 * CbError "usage" for a machine of these records, which the reconciler looks after, and "infrastructure" when it is not
 * shown and the listing was not complete.
 */
export function otherGenerationMachine(builder: string, seen: Observation, belonging: Belonging): Machine | undefined {
  const machine = seen.machines.find((one) => one.builder === builder && belongs(one, seen, belonging));
  const recorded = seen.records.some(({ record }) => record.builder === builder);
  if (recorded || machine?.generation === seen.generation) {
    throw new CbError("usage", `builder ${builder} is of the queue's own records: the reconciler looks after it`, {
      hint: "only machines of another generation are destroyed by name; see them with: cb-admin builders",
    });
  }
  if (machine === undefined && !seen.complete) {
    throw new CbError("infrastructure", `the provider cannot be listed in full: ${seen.problem}`);
  }
  return machine;
}
