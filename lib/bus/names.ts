/**
 * Names on the bus that more than one room spells. An id is checked before it becomes a subject token, because nats.js
 * does not: a dot, a star or a line end in one would address something else, or inject protocol.
 */

import { CbError } from "../errors.ts";

/** UUID in lower case, as `crypto.randomUUID` writes it: the only form of builder, build and attempt ids. */
export const ID_PATTERN = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/** Returns `id`; throws CbError "usage" on anything that is not a UUID in lower case. */
export function checkedId(id: string): string {
  if (ID_PATTERN.test(id)) return id;
  throw new CbError("usage", `${JSON.stringify(id.slice(0, 64))} is no id`, { hint: "ids are UUIDs in lower case" });
}

/** Stream of the lifecycle of all builders; the queue alone writes it, nobody else in CORE may read or need it. */
export const BUILDERS_STREAM = "builders";

export const subjects = {
  /** Queue → operators, and itself: JSON, one message a lifecycle change. `builder.<builderId>.state` */
  builderState: (id: string): string => `builder.${checkedId(id)}.state`,
  /** All of them. */
  builderStates: "builder.*.state",
} as const;
