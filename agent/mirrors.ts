/** Chooses the mirrors that a build asks for its base images. */
import { isReplying } from "../lib/oci/is-replying.ts";
import type { Mirror } from "../lib/protocol/builder-messages.ts";
import { registryName } from "../lib/recipe/base-images.ts";
import type { RegistryAccess } from "./base-image-failure.ts";

/** A mirror replies in milliseconds. Without this limit a frozen one would hold the build as long as builds may run. */
const REPLY_MS = 2_000;

/**
 * The mirrors of the registries that the recipe names. Leaves out those that do not reply, and those of registries for which the
 * build has a login: the image may be private, so no mirror is told of it.
 */
export async function usableMirrors(
  mirrors: readonly Mirror[],
  { registries, logins }: RegistryAccess,
): Promise<Mirror[]> {
  const withLogin = logins.map((login) => registryName(login.split("/")[0] ?? ""));
  const candidates = mirrors
    .map((mirror) => ({ ...mirror, registry: registryName(mirror.registry) }))
    .filter(({ registry }) => registries.includes(registry) && !withLogin.includes(registry));
  const replies = await Promise.all(candidates.map((mirror) => isReplying(mirror, REPLY_MS)));
  return candidates.filter((_, at) => replies[at]);
}
