/** What others see of the builders: for cb-status, and for whoever leases. */

import type { BuilderImage } from "../protocol/builder-image.ts";
import type { BuilderRecord, BuilderState } from "./state/record.ts";
import type { RecordStore } from "./state/store.ts";

export interface BuilderView {
  readonly builder: string;
  readonly host: string;
  readonly state: BuilderState;
  readonly sinceMs: number;
  readonly reason: string;
  readonly build: string | undefined;
  /** As its agent says. */
  readonly builderImage: BuilderImage | undefined;
}

export interface PoolStatus {
  readonly pool: string;
  readonly reserveTarget: number;
  readonly totalMax: number;
  readonly active: readonly BuilderView[];
  readonly reserve: readonly BuilderView[];
  readonly booting: readonly BuilderView[];
  readonly destroying: readonly BuilderView[];
  /** Why the reserve is not at its target, a sentence; empty when it is. */
  readonly reason: string;
}

/** Those in one of `states`, the longest in it first. */
export function viewsOf(store: RecordStore, ...states: readonly BuilderState[]): BuilderView[] {
  return store
    .all()
    .filter(({ record }) => states.includes(record.state))
    .toSorted((a, b) => a.record.sinceMs - b.record.sinceMs)
    .map(({ record }) => viewOf(record));
}

export function viewOf({ builder, host, state, sinceMs, reason, build, builderImage }: BuilderRecord): BuilderView {
  return { builder, host, state, sinceMs, reason, build, builderImage };
}
