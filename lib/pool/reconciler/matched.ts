/** Matches the records, machines and slots of a pool by builder, once for each plan: with 10,000 builders it takes milliseconds. Pure. */

import type { Machine } from "../../provider/provider.ts";
import type { Observation, Slot, StoredBuilder } from "./observation.ts";

interface RecordedBuilder {
  readonly stored: StoredBuilder;
  /** Absent if it is not listed. */
  readonly machine: Machine | undefined;
}

export interface Matched {
  readonly recorded: ReadonlyMap<string, RecordedBuilder>;
  /** Machines without a record, by builder. */
  readonly unrecorded: ReadonlyMap<string, Machine>;
  /** Slots without a record. */
  readonly orphanedSlots: readonly Slot[];
}

export function matchByBuilder({ installation, machines, records, slots }: Observation, pool: string): Matched {
  const recorded = new Map<string, { stored: StoredBuilder; machine: Machine | undefined }>();
  const unrecorded = new Map<string, Machine>();
  for (const stored of records) recorded.set(stored.record.builder, { stored, machine: undefined });
  for (const machine of machines) {
    if (machine.installation !== installation || machine.pool !== pool) continue;
    const builder = recorded.get(machine.builder);
    if (builder === undefined) unrecorded.set(machine.builder, machine);
    else builder.machine = machine;
  }
  return { recorded, unrecorded, orphanedSlots: slots.filter(({ builder }) => !recorded.has(builder)) };
}

export function isListed({ recorded, unrecorded }: Matched, builder: string): boolean {
  return recorded.get(builder)?.machine !== undefined || unrecorded.has(builder);
}
