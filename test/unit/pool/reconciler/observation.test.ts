import { suite } from "uvu";
import * as assert from "uvu/assert";
import { observeMachines } from "../../../../lib/pool/reconciler/observation.ts";
import type { MachineListing, Provider } from "../../../../lib/provider/provider.ts";
import { ManualClock } from "../../../support/manual-clock.ts";
import { NOW, policy } from "./observed.ts";

const test = suite("observeMachines()");

function observedAtMs(startedAtMs?: number): Promise<number> {
  const machineListing: MachineListing = {
    machines: [],
    complete: true,
    ...(startedAtMs !== undefined && { startedAtMs }),
  };
  const provider = { listMachines: async () => machineListing } as Pick<Provider, "listMachines"> as Provider;
  const dependencies = { clock: new ManualClock(NOW), policy, provider };
  return observeMachines(dependencies, new AbortController().signal).then((listing) => listing.observedAtMs);
}

test("observedAtMs is the provider's start of the listing, or the time of the request if that is earlier", async () => {
  assert.is(await observedAtMs(), NOW);
  assert.is(await observedAtMs(NOW - 4000), NOW - 4000);
  assert.is(await observedAtMs(NOW + 1), NOW);
});

test.run();
