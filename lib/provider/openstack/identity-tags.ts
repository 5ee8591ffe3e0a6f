/**
 * Stores a machine's identity on its server: as metadata, which operators and the machine itself can read, and as tags, because
 * nova filters listings by tags only (it ignores the `metadata` filter of users and refuses that of administrators).
 */

import { CbError } from "../../core/errors.ts";
import { isId } from "../../protocol/ids.ts";
import type { MachineIdentity } from "../provider.ts";

const KEYS = {
  installation: "cb-installation",
  generation: "cb-generation",
  pool: "cb-pool",
  builder: "cb-builder",
  attempt: "cb-attempt",
} as const satisfies Record<keyof MachineIdentity, string>;
type Part = keyof typeof KEYS;
const PARTS = Object.keys(KEYS) as Part[];

/** nova's schema of server tags: 1 to 60 characters, no slash and no comma. */
const TAG = /^[^/,]{1,60}$/;

/** Throws CbError "config" when nova would not accept the tag. */
export function tagOf(part: Part, value: string): string {
  const tag = `${KEYS[part]}=${value}`;
  if (TAG.test(tag)) return tag;
  throw new CbError("config", `nova does not accept the tag ${tag}: at most 60 characters, no slash, no comma`);
}

/** Throws CbError "config" when nova would not accept a tag. */
export function tagsOf(identity: MachineIdentity): string[] {
  return PARTS.map((part) => tagOf(part, identity[part]));
}

export function metadataOf(identity: MachineIdentity): Record<string, string> {
  return Object.fromEntries(PARTS.map((part) => [KEYS[part], identity[part]]));
}

/**
 * Undefined when the identity is incomplete, or metadata and tags differ. Such a server was not created by container-builder, or
 * was changed afterwards, so it is left alone.
 */
export function identityIn(
  metadata: Readonly<Record<string, string>>,
  tags: readonly string[],
): MachineIdentity | undefined {
  const read = (part: Part): string => metadata[KEYS[part]] ?? "";
  if (!PARTS.every((part) => read(part) !== "" && tags.includes(`${KEYS[part]}=${read(part)}`))) return undefined;
  if (!isId(read("builder")) || !isId(read("attempt"))) return undefined;
  return {
    installation: read("installation"),
    generation: read("generation"),
    pool: read("pool"),
    builder: read("builder"),
    attempt: read("attempt"),
  };
}
