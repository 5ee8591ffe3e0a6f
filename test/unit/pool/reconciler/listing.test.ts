import { suite } from "uvu";
import * as assert from "uvu/assert";
import { observeMachines } from "../../../../lib/pool/reconciler/listing.ts";
import type { MachineListing, Provider } from "../../../../lib/provider/provider.ts";
import { ManualClock } from "../../../support/manual-clock.ts";
import { NOW, policy } from "./scene.ts";

const test = suite("listMachines()");

function observedAtMs(startedAtMs?: number): Promise<number> {
  const seen: MachineListing = { machines: [], complete: true, ...(startedAtMs !== undefined && { startedAtMs }) };
  const provider = { listMachines: async () => seen } as Pick<Provider, "listMachines"> as Provider;
  const hands = { clock: new ManualClock(NOW), policy, provider };
  return observeMachines(hands, new AbortController().signal).then((listing) => listing.observedAtMs);
}

test("a listing is as old as the provider says, and never younger than the question", async () => {
  assert.is(await observedAtMs(), NOW);
  assert.is(await observedAtMs(NOW - 4000), NOW - 4000);
  assert.is(await observedAtMs(NOW + 1), NOW);
});

test.run();
