/** What a registry has: its catalog and the tags of each repository, over the OCI distribution API. */
import { type Dispatcher, EnvHttpProxyAgent } from "undici";
import * as v from "valibot";
import { CbError } from "../core/errors.ts";
import { originOf, type Registry } from "./address.ts";
import { authorize } from "./authorization.ts";
import { getJson, type JsonReply } from "./get-json.ts";
import { nextPage } from "./link.ts";

/** The distribution project's own client asks for 100 at a time; a registry may give fewer. */
const PAGE_NAMES = 100;
/** A registry whose pages lead in a circle ends here. */
const PAGES_MAX = 100;
/** More than a person reads. */
const REPOSITORIES_MAX = 1000;
const TAGS_MAX = 1000;
/** As many as browsers take for polite. */
const REQUESTS_AT_ONCE = 6;
/** A registry that is there says so in a second; five allow for a lost packet and a busy day. */
const CONNECT_MS = 5_000;
/** Catalogs of large registries on object storage take seconds. */
const SILENCE_MS = 15_000;

const CATALOG = "/v2/_catalog";

/** As the distribution specification spells them; so neither can lead a path or a terminal astray. */
const repository = v.pipe(
  v.string(),
  v.maxLength(255),
  v.regex(/^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*$/),
);
const tag = v.pipe(v.string(), v.regex(/^\w[\w.-]{0,127}$/));
/** Go's empty lists are null. */
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
  /** In the order of their characters' codes, the tags too; repositories without a tag are left out. */
  readonly images: readonly RepositoryImages[];
  /** There is more than our bounds let through, or than came before `signal`. */
  readonly truncated: boolean;
  /** How many repositories are in the catalog, but kept from this login; they are left out. */
  readonly refused: number;
}

/**
 * Asks for everything anew; through the proxies of HTTP_PROXY, HTTPS_PROXY and NO_PROXY. Throws CbError, its message
 * naming the registry: "unreachable" when it does not answer, or `signal` comes before any tags, "denied" when it or its token server
 * refuses the catalog or every repository, "infrastructure" when it answers something else.
 */
export async function listImages(registry: Registry, signal: AbortSignal): Promise<ImageListing> {
  const timeouts = { connect: { timeout: CONNECT_MS }, headersTimeout: SILENCE_MS, bodyTimeout: SILENCE_MS };
  const dispatcher = new EnvHttpProxyAgent(timeouts);
  try {
    return await new Lister(registry, dispatcher, signal).list();
  } catch (error) {
    if (!(error instanceof CbError)) throw error;
    throw new CbError(error.kind, `registry ${registry.host}: ${error.message}`, { cause: error.cause });
  } finally {
    await dispatcher.destroy();
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
  readonly #get: { readonly dispatcher: Dispatcher; readonly signal: AbortSignal };

  constructor(registry: Registry, dispatcher: Dispatcher, signal: AbortSignal) {
    this.#registry = registry;
    this.#origin = originOf(registry);
    this.#get = { dispatcher, signal };
  }

  async list(): Promise<ImageListing> {
    const catalog = await this.#names(CATALOG, catalogPage, REPOSITORIES_MAX);
    const tags = new Map<string, Names>();
    const refusals: CbError[] = [];
    const waiting = [...catalog.names];
    const work = async (): Promise<void> => {
      for (let name = waiting.shift(); name !== undefined; name = waiting.shift()) {
        try {
          tags.set(name, await this.#names(`/v2/${name}/tags/list`, tagsPage, TAGS_MAX));
        } catch (error) {
          if (error instanceof CbError && error.kind === "denied") {
            // Catalogs name what their reader may not pull, too: that is no reason to hide the rest.
            refusals.push(error);
            tags.set(name, NO_NAMES);
            continue;
          }
          // A registry that is slow is better seen in part than not at all.
          if (!this.#get.signal.aborted || tags.size === 0) throw error;
        }
      }
    };
    await Promise.all(Array.from({ length: REQUESTS_AT_ONCE }, work));
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
   * The names of all pages, each once, in order: docker-registry gives tags as its disk does. A repository that is not
   * there has none: its last tag may just have been deleted.
   */
  async #names(path: string, schema: v.GenericSchema<unknown, string[]>, most: number): Promise<Names> {
    const names = new Set<string>();
    const first = new URL(path, this.#origin);
    first.searchParams.set("n", String(PAGE_NAMES));
    let page: URL | undefined = first;
    let authorization: string | undefined;
    for (let n = 0; page !== undefined && n < PAGES_MAX && names.size <= most; n++) {
      const answer = await this.#ask(page, authorization);
      authorization = answer.authorization;
      if (answer.status === 404 && path !== CATALOG) return NO_NAMES;
      for (const name of read(answer, page, schema)) names.add(name);
      page = nextPage(answer.link, page);
    }
    return { names: [...names].slice(0, most).sort(), truncated: page !== undefined || names.size > most };
  }

  /** Once more with what the registry asks for, when it asks. A token is good for one path's scope. */
  async #ask(url: URL, known: string | undefined): Promise<JsonReply & { authorization: string | undefined }> {
    const first = await getJson({ ...this.#get, url, authorization: known });
    if (first.status !== 401) return { ...first, authorization: known };
    const authorization = await authorize(this.#registry, first.challenge, this.#get);
    return { ...(await getJson({ ...this.#get, url, authorization })), authorization };
  }
}

function read(answer: JsonReply, { pathname }: URL, schema: v.GenericSchema<unknown, string[]>): string[] {
  const { status } = answer;
  if (status === 401 || status === 403) throw new CbError("denied", `it refuses ${pathname} (${status})`);
  if (status !== 200) throw new CbError("infrastructure", `it answers ${status} to ${pathname}`);
  const parsed = v.safeParse(schema, answer.body, { abortEarly: true });
  if (!parsed.success) throw new CbError("infrastructure", `its answer to ${pathname} is no list of names`);
  return parsed.output;
}
