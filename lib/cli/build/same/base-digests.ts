/** Looks up the digests of the images that a recipe builds upon, with the caller's logins. */
import { CbError, messageOf } from "../../../core/errors.ts";
import type { Recipe } from "../../../protocol/build-messages.ts";
import type { RegistryLogin } from "../../../protocol/secret-messages.ts";
import { DOCKER_HUB } from "../../../recipe/base-images.ts";
import { type BaseReference, baseReferencesOf } from "../../../recipe/base-references.ts";

/** For all lookups together. A registry replies in less than a second, and where a firewall drops the packets each build waits as long. */
const LOOKUP_MS = 3_000;
/** The server of Docker Hub. */
const HUB_HOST = "registry-1.docker.io";

/** `bases`: by the text in the recipe. `unknown`: why there are none. */
export type BaseDigests = { readonly bases: Readonly<Record<string, string>> } | { readonly unknown: string };

/** Throws CbError "usage" as baseReferencesOf(), and the reason of `signal`. */
export async function baseDigests(
  recipe: Recipe,
  logins: readonly RegistryLogin[],
  signal: AbortSignal,
): Promise<BaseDigests> {
  const { references, unknown } = baseReferencesOf(recipe);
  if (unknown !== undefined) return { unknown: `${unknown} cannot be looked up` };
  const moving = references.filter(({ isPinned }) => !isPinned);
  const pinned = references.filter(({ isPinned }) => isPinned).map(({ text, version }) => [text, version]);
  if (moving.length === 0) return { bases: Object.fromEntries(pinned) };
  try {
    return { bases: Object.fromEntries([...pinned, ...(await lookUp(moving, logins, signal))]) };
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof CbError) return { unknown: error.message };
    throw error;
  }
}

/** The HTTP client is loaded here, because most calls of the programs need none. Throws CbError that names the image. */
async function lookUp(
  references: readonly BaseReference[],
  logins: readonly RegistryLogin[],
  interrupted: AbortSignal,
) {
  const [{ resolveDigest }, { openConnections }] = await Promise.all([
    import("../../../oci/resolve-digest.ts"),
    import("../../../core/http-json.ts"),
  ]);
  const limit = AbortSignal.timeout(LOOKUP_MS);
  const signal = AbortSignal.any([interrupted, limit]);
  const connections = openConnections({ silenceMs: LOOKUP_MS });
  const one = async (reference: BaseReference) => {
    const { registry: host, repository, version: tag, text } = reference;
    const login = loginFor(logins, reference);
    const registry = { host: host === DOCKER_HUB ? HUB_HOST : host, plainHttp: false, ...(login && { login }) };
    try {
      return [text, await resolveDigest({ registry, repository, tag, connections, signal })];
    } catch (error) {
      const reason = limit.aborted ? `no reply within ${LOOKUP_MS / 1000} s` : messageOf(error);
      throw new CbError("unreachable", `${text} could not be looked up: ${reason}`, { cause: error });
    }
  };
  try {
    return await Promise.all(references.map(one));
  } finally {
    await connections.destroy();
  }
}

/** The login of the longest path that the image is below. A login by an identity token needs a flow of its own, and is not used. */
function loginFor(logins: readonly RegistryLogin[], { name }: BaseReference) {
  const fitting = logins.filter(({ registry, password }) => password && `${name}/`.startsWith(`${registry}/`));
  const [best] = fitting.toSorted((a, b) => b.registry.length - a.registry.length);
  return best?.username && best.password ? { username: best.username, password: best.password } : undefined;
}
