/** Lists the images of a registry over the OCI distribution API: its catalog, and the tags of each repository. */
import type { Dispatcher } from "undici";
import * as v from "valibot";
import { CbError } from "../core/errors.ts";
import { openConnections } from "../core/http-json.ts";
import { originOf, type Registry } from "./address.ts";
import { authorize } from "./authorization.ts";
import { getJson, type RegistryReply } from "./get-json.ts";
import { nextPage } from "./link.ts";

/** Page size, as in the distribution project's own client; a registry may send fewer. */
const PAGE_NAMES = 100;
/** Ends the listing when the "next page" links of a registry form a circle. */
const PAGES_MAX = 100;
/** A person does not read longer lists. */
const REPOSITORIES_MAX = 1000;
const TAGS_MAX = 1000;
/** The number of connections that browsers open to one host. */
const CONCURRENT_REQUESTS = 6;
/** The catalog of a large registry on object storage takes seconds. */
const SILENCE_MS = 15_000;

const CATALOG = "/v2/_catalog";

/** The syntax of the distribution specification. It excludes path traversal and terminal control characters. */
const repository = v.pipe(
  v.string(),
  v.maxLength(255),
  v.regex(/^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*$/),
);
const tag = v.pipe(v.string(), v.regex(/^\w[\w.-]{0,127}$/));
/** A registry in Go sends an empty list as null. */
const catalogPage = v.pipe(
  v.object({ repositories: v.nullish(v.array(repository), []) }),
  v.transform((page) => page.repositories),
);
const tagsPage = v.pipe(
  v.object({ tags: v.nullish(v.array(tag), []) }),
  v.transform((page) => page.tags),
);

interface RepositoryImages {
  readonly repository: string;
  readonly tags: readonly string[];
}

export interface ImageListing {
  /** Repositories and tags in code point order; repositories without a tag are left out. */
  readonly images: readonly RepositoryImages[];
  /** True when names are missing: a limit was reached, or `signal` was aborted first. */
  readonly truncated: boolean;
  /** Number of repositories in the catalog that this login may not read; they are left out. */
  readonly refused: number;
}

/**
 * Lists without a cache, through the proxies of HTTP_PROXY, HTTPS_PROXY and NO_PROXY. Throws CbError with the registry's host in
 * the message: "unreachable" when the registry does not reply, or `signal` is aborted before any tags are received; "denied"
 * when the registry or its token server refuses the catalog or every repository; "infrastructure" for any other unexpected
 * reply.
 */
export async function listImages(registry: Registry, signal: AbortSignal): Promise<ImageListing> {
  const connections = openConnections({ silenceMs: SILENCE_MS });
  try {
    return await new Lister(registry, connections, signal).list();
  } catch (error) {
    if (!(error instanceof CbError)) throw error;
    throw new CbError(error.kind, `registry ${registry.host}: ${error.message}`, { cause: error.cause });
  } finally {
    await connections.destroy();
  }
}

interface Names {
  readonly names: readonly string[];
  readonly truncated: boolean;
}

const NO_NAMES: Names = { names: [], truncated: false };

class Lister {
  readonly #registry: Registry;
  readonly #origin: string;
  readonly #connection: { readonly connections: Dispatcher; readonly signal: AbortSignal };

  constructor(registry: Registry, connections: Dispatcher, signal: AbortSignal) {
    this.#registry = registry;
    this.#origin = originOf(registry);
    this.#connection = { connections, signal };
  }

  async list(): Promise<ImageListing> {
    const catalog = await this.#names(CATALOG, catalogPage, REPOSITORIES_MAX);
    const tags = new Map<string, Names>();
    const refusals: CbError[] = [];
    const unlisted = [...catalog.names];
    const listTags = async (): Promise<void> => {
      for (let name = unlisted.shift(); name !== undefined; name = unlisted.shift()) {
        try {
          tags.set(name, await this.#names(`/v2/${name}/tags/list`, tagsPage, TAGS_MAX));
        } catch (error) {
          if (error instanceof CbError && error.kind === "denied") {
            // A catalog also names repositories that this login may not pull. The others are still listed.
            refusals.push(error);
            tags.set(name, NO_NAMES);
            continue;
          }
          // Of a slow registry, a part of the listing is more useful than an error.
          if (!this.#connection.signal.aborted || tags.size === 0) throw error;
        }
      }
    };
    await Promise.all(Array.from({ length: CONCURRENT_REQUESTS }, listTags));
    const [refusal] = refusals;
    if (refusal !== undefined && refusals.length === catalog.names.length) throw refusal;
    const images = catalog.names.map((name) => ({ repository: name, tags: tags.get(name)?.names ?? [] }));
    return {
      images: images.filter((image) => image.tags.length > 0),
      truncated:
        catalog.truncated || tags.size < catalog.names.length || [...tags.values()].some(({ truncated }) => truncated),
      refused: refusals.length,
    };
  }

  /**
   * The names of all pages, without duplicates and sorted: docker-registry sends tags in directory order. A repository that
   * does not exist has no names, because its last tag may just have been deleted.
   */
  async #names(path: string, schema: v.GenericSchema<unknown, string[]>, max: number): Promise<Names> {
    const names = new Set<string>();
    const first = new URL(path, this.#origin);
    first.searchParams.set("n", String(PAGE_NAMES));
    let page: URL | undefined = first;
    let authorization: string | undefined;
    for (let n = 0; page !== undefined && n < PAGES_MAX && names.size <= max; n++) {
      const reply = await this.#get(page, authorization);
      authorization = reply.authorization;
      if (reply.status === 404 && path !== CATALOG) return NO_NAMES;
      for (const name of namesIn(reply, page, schema)) names.add(name);
      page = nextPage(reply.link, page);
    }
    return { names: [...names].slice(0, max).sort(), truncated: page !== undefined || names.size > max };
  }

  /** Repeats the request with an authorization if the registry sends a challenge. A token is valid for one path only. */
  async #get(url: URL, known: string | undefined): Promise<RegistryReply & { authorization: string | undefined }> {
    const first = await getJson({ ...this.#connection, url, authorization: known });
    if (first.status !== 401) return { ...first, authorization: known };
    const authorization = await authorize(this.#registry, first.challenge, this.#connection);
    return { ...(await getJson({ ...this.#connection, url, authorization })), authorization };
  }
}

function namesIn(reply: RegistryReply, { pathname }: URL, schema: v.GenericSchema<unknown, string[]>): string[] {
  const { status } = reply;
  if (status === 401 || status === 403) throw new CbError("denied", `it refuses ${pathname} (${status})`);
  if (status !== 200) throw new CbError("infrastructure", `it replies to ${pathname} with status ${status}`);
  const parsed = v.safeParse(schema, reply.body, { abortEarly: true });
  if (!parsed.success) throw new CbError("infrastructure", `its reply to ${pathname} is not a list of names`);
  return parsed.output;
}
