/** What every provider refuses before it asks anybody for a machine. */

import { CbError } from "../core/errors.ts";
import { isId } from "../protocol/ids.ts";
import { type BuilderSpec, USER_DATA_MAX_BYTES } from "./provider.ts";

/** Throws CbError "config" where the provider of `installation` is not to make it. */
export function checkSpec(spec: BuilderSpec, installation: string): void {
  const bytes = Buffer.byteLength(spec.userData);
  if (bytes > USER_DATA_MAX_BYTES) {
    throw new CbError("config", `user data of ${bytes} bytes, ${USER_DATA_MAX_BYTES} are allowed`);
  }
  if (!isId(spec.builder) || !isId(spec.attempt)) {
    throw new CbError("config", `builder and attempt must be UUIDs: ${spec.builder}, ${spec.attempt}`);
  }
  if (spec.installation !== installation) {
    throw new CbError(
      "config",
      `a builder of installation ${spec.installation}, but this provider serves ${installation}`,
    );
  }
}
