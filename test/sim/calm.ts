/**
 * The state after all faults: the pool is at its target, no build waits, and no record, slot or machine is left over.
 */

import * as assert from "uvu/assert";
import { parseRecord } from "../../lib/pool/state/record.ts";
import type { SimWorld } from "./queue.ts";

/** The longest recovery: a backlog of builds, a boot that never ends, a grace, the longest backoff. */
const CALM_MAX_S = 3_000;

export async function untilCalm(world: SimWorld): Promise<void> {
  for (let second = 0; second < CALM_MAX_S && !isCalm(world); second++) {
    world.tick(second);
    await world.clock.advance(1_000);
  }
}

/** True only for a moment at a time, because old builders are replaced again and again. */
export function isCalm({ cloud, policy, slotKeys, waiting, running, builderKeys }: SimWorld): boolean {
  const counts = [cloud.machines.size, slotKeys.entries.size, builderKeys.entries.size - 1];
  const allReady = [...builderKeys.entries.values()].every(
    ({ key, value }) => key === "generation" || isReady(key, value),
  );
  return allReady && waiting.length + running.size === 0 && counts.every((count) => count === policy.reserveTarget);
}

function isReady(key: string, value: string): boolean {
  return parseRecord(value, key).state === "ready";
}

export function checkCalm(
  { cloud, policy, builderKeys, slotKeys, pool, waiting, running, counts }: SimWorld,
  seed: number | string,
): void {
  const note = `SIM_SEED=${seed} ${JSON.stringify({ counts, target: policy.reserveTarget, max: policy.totalMax })}`;
  const records = [...builderKeys.entries.values()].filter(({ key }) => key !== "generation");
  const states = records.map(({ key, value }) => parseRecord(value, key).state).join(" ");
  assert.is(waiting.length, 0, `every build got a builder: ${note}`);
  assert.is(running.size, 0, note);
  assert.is(states, Array(policy.reserveTarget).fill("ready").join(" "), `${note} ${pool?.status().reason}`);
  assert.is(cloud.machines.size, policy.reserveTarget, note);
  assert.is(slotKeys.entries.size, policy.reserveTarget, note);
  assert.ok(counts.leased > 0 && counts.created > 0, note);
}
