/** Looks up the digest that a tag of a registry names now (OCI distribution specification, "Pulling manifests"), without a pull. */
import type { Dispatcher } from "undici";
import { CbError, messageOf } from "../core/errors.ts";
import { NoHttpReplyError, requestJson } from "../core/http-json.ts";
import { originOf, type Registry } from "./address.ts";
import { authorize } from "./authorization.ts";
import { headerText } from "./header-values.ts";

/** Of images and of lists of images for several architectures, by docker and by OCI. */
const MANIFESTS = [
  "application/vnd.oci.image.index.v1+json",
  "application/vnd.oci.image.manifest.v1+json",
  "application/vnd.docker.distribution.manifest.list.v2+json",
  "application/vnd.docker.distribution.manifest.v2+json",
].join(", ");

export interface TagLookup {
  readonly registry: Registry;
  readonly repository: string;
  readonly tag: string;
  readonly connections: Dispatcher;
  readonly signal: AbortSignal;
}

/**
 * `sha256:…`. A HEAD request, which Docker Hub does not count as a pull. Throws CbError: "denied" when the registry refuses it, "usage"
 * when there is no such tag, "unreachable" without a reply, "infrastructure" for a reply without a digest.
 */
export async function resolveDigest(lookup: TagLookup): Promise<string> {
  const { registry, connections, signal } = lookup;
  const first = await head(lookup);
  const { status, digest } =
    first.status === 401
      ? await head(lookup, await authorize(registry, first.challenge, { connections, signal }))
      : first;
  if (status === 401 || status === 403) throw new CbError("denied", `it refuses the image (${status})`);
  if (status === 404) throw new CbError("usage", "it has no such image");
  if (status === 200 && /^sha256:[0-9a-f]{64}$/.test(digest)) return digest;
  throw new CbError("infrastructure", `it replies with status ${status} and no digest`);
}

async function head({ registry, repository, tag, connections, signal }: TagLookup, authorization?: string) {
  const url = new URL(`/v2/${repository}/manifests/${tag}`, originOf(registry));
  const headers = { accept: MANIFESTS, ...(authorization === undefined ? {} : { authorization }) };
  try {
    const reply = await requestJson({ method: "HEAD", url, headers, connections, signal, maxBytes: 0 });
    const text = (name: string): string => headerText(reply.headers.get(name));
    return { status: reply.status, digest: text("docker-content-digest"), challenge: text("www-authenticate") };
  } catch (error) {
    const cause = error instanceof NoHttpReplyError ? error.cause : error;
    throw new CbError("unreachable", `no reply from ${url.host}: ${messageOf(error)}`, { cause });
  }
}
