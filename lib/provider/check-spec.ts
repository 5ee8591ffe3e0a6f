/** The checks that every provider makes before it creates a machine. */

import { CbError } from "../core/errors.ts";
import { isId } from "../protocol/ids.ts";
import { type BuilderSpec, USER_DATA_MAX_BYTES } from "./provider.ts";

/**
 * Throws CbError "config" when the user data is larger than USER_DATA_MAX_BYTES, when `builder` or `attempt` is no UUID, or
 * when the spec names another installation than the one that the provider serves.
 */
export function checkSpec(spec: BuilderSpec, installation: string): void {
  const bytes = Buffer.byteLength(spec.userData);
  if (bytes > USER_DATA_MAX_BYTES) {
    throw new CbError("config", `the user data has ${bytes} bytes; at most ${USER_DATA_MAX_BYTES} are allowed`);
  }
  if (!isId(spec.builder) || !isId(spec.attempt)) {
    throw new CbError("config", `builder and attempt must be UUIDs: ${spec.builder}, ${spec.attempt}`);
  }
  if (spec.installation !== installation) {
    throw new CbError(
      "config",
      `the builder belongs to installation ${spec.installation}, but this provider serves ${installation}`,
    );
  }
}
