/** Chooses the mirrors that a build asks for its base images. */
import { once } from "node:events";
import { request as httpRequest } from "node:http";
import { request as httpsRequest } from "node:https";
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
  const replies = await Promise.all(candidates.map(isReplying));
  return candidates.filter((_, at) => replies[at]);
}

/** Any reply counts. The certificate is not checked here: the programs that fetch images do so. */
async function isReplying({ host, plainHttp }: Mirror): Promise<boolean> {
  const options = { signal: AbortSignal.timeout(REPLY_MS), rejectUnauthorized: false, agent: false };
  const request = plainHttp ? httpRequest(`http://${host}/v2/`, options) : httpsRequest(`https://${host}/v2/`, options);
  try {
    request.end();
    const [response] = await once(request, "response");
    response.resume();
    return true;
  } catch {
    return false;
  } finally {
    request.on("error", () => undefined).destroy();
  }
}
