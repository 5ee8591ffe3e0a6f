/** The calls to nova (Compute API v2.1), each with what it needs and the errors of its answers. */
import * as v from "valibot";
import { CbError } from "../../../core/errors.ts";
import type { HttpCall, HttpReply } from "./http.ts";
import { microversionFor } from "./microversion.ts";
import { refusalOf } from "./refusal.ts";
import { type Server, serverSchema } from "./server.ts";
import type { CloudSession } from "./session.ts";

/** Below nova's own bound of a page (max_limit, 1000 by default): a megabyte of servers. */
const PAGE_SERVERS = 500;
/** Pages that lead in a circle end here; it is more machines than anybody has. */
const PAGES_MAX = 40;
/** Of the catalog's address, which may end with the project's id: where the version document is. */
const VERSION_ROOT = /^(.*\/v2(?:\.\d+)?)(?:\/[^/]+)?$/;

const page = v.object({
  servers: v.array(serverSchema),
  servers_links: v.optional(v.array(v.object({ rel: v.string() })), []),
});
const output = v.object({ output: v.nullish(v.string()) });

type Ask = Omit<HttpCall, "url" | "headers" | "limitMs"> & { readonly limitMs?: number };

export class Compute {
  readonly #session: CloudSession;
  #microversion: string | undefined;

  constructor(session: CloudSession) {
    this.#session = session;
  }

  /** All that have every one of the tags, over as many pages as there are. Throws CbError; never a part of them. */
  async servers(tags: readonly string[], signal: AbortSignal, limitMs?: number): Promise<Server[]> {
    const found: Server[] = [];
    let marker: string | undefined;
    for (let n = 0; n < PAGES_MAX; n++) {
      const query = new URLSearchParams({ tags: tags.join(","), limit: String(PAGE_SERVERS) });
      if (marker !== undefined) query.set("marker", marker);
      const ask = { method: "GET", signal, ...(limitMs === undefined ? {} : { limitMs }) } as const;
      const answer = await this.#ok(`/servers/detail?${query}`, ask, "the listing of servers");
      const { servers, servers_links } = read(page, answer, "its listing of servers");
      found.push(...servers);
      marker = servers_links.some(({ rel }) => rel === "next") ? servers.at(-1)?.id : undefined;
      if (marker === undefined) return found;
    }
    throw new CbError("infrastructure", `the listing of servers has more than ${PAGES_MAX} pages`);
  }

  /** Undefined: there is none of that id. */
  async server(id: string, signal: AbortSignal): Promise<Server | undefined> {
    const answer = await this.#call(`/servers/${encodeURIComponent(id)}`, { method: "GET", signal });
    if (answer.status === 404) return undefined;
    if (answer.status !== 200) throw refusalOf(answer, "a look at one server");
    return read(v.object({ server: serverSchema }), answer, "its answer").server;
  }

  /** The answer to POST /servers, whatever it is: what follows from it is not nova's business. Throws NoAnswerError. */
  create(body: object, signal: AbortSignal): Promise<HttpReply> {
    return this.#call("/servers", { method: "POST", body, signal });
  }

  /** Accepted, or gone already. */
  async delete(id: string, signal: AbortSignal): Promise<void> {
    const answer = await this.#call(`/servers/${encodeURIComponent(id)}`, { method: "DELETE", signal });
    if (answer.status !== 404 && answer.status !== 204) throw refusalOf(answer, "the deletion of a server");
  }

  /** For one that is kept after its deletion; accepted, or gone already. */
  async deleteForGood(id: string, signal: AbortSignal): Promise<void> {
    const answer = await this.#action(id, { forceDelete: null }, signal);
    if (answer.status !== 404 && answer.status !== 202) throw refusalOf(answer, "the deletion of a server for good");
  }

  /** The newest `lines` lines; none where nova has none yet, or the server is gone. */
  async console(id: string, lines: number, signal: AbortSignal): Promise<string> {
    const answer = await this.#action(id, { "os-getConsoleOutput": { length: lines } }, signal);
    // 409: it has no host yet. 404: it is gone, or what would have the output is.
    if (answer.status === 404 || answer.status === 409) return "";
    if (answer.status !== 200) throw refusalOf(answer, "what a server printed");
    return read(output, answer, "what a server printed").output ?? "";
  }

  /** GET of `path`, of which nothing but 200 is expected. Throws CbError. */
  get(path: string, signal: AbortSignal, what: string): Promise<HttpReply> {
    return this.#ok(path, { method: "GET", signal }, what);
  }

  #action(id: string, body: object, signal: AbortSignal): Promise<HttpReply> {
    return this.#call(`/servers/${encodeURIComponent(id)}/action`, { method: "POST", body, signal });
  }

  async #ok(path: string, ask: Ask, what: string): Promise<HttpReply> {
    const answer = await this.#call(path, ask);
    if (answer.status !== 200) throw refusalOf(answer, what);
    return answer;
  }

  async #call(path: string, ask: Ask): Promise<HttpReply> {
    this.#microversion ??= await this.#negotiate(ask.signal);
    const headers = { "openstack-api-version": `compute ${this.#microversion}` };
    return this.#session.call({ service: "compute", path, headers, ...ask });
  }

  async #negotiate(signal: AbortSignal): Promise<string> {
    const answer = await this.#session.call({
      service: "compute",
      root: VERSION_ROOT,
      path: "/",
      method: "GET",
      signal,
    });
    if (answer.status !== 200) throw refusalOf(answer, "nova's version document");
    return microversionFor(answer.body, this.#session.cloud.from);
  }
}

function read<Output>(schema: v.GenericSchema<unknown, Output>, answer: HttpReply, what: string): Output {
  const parsed = v.safeParse(schema, answer.body, { abortEarly: true });
  if (parsed.success) return parsed.output;
  const where = v.getDotPath(parsed.issues[0]) ?? "the whole";
  throw new CbError("infrastructure", `nova answers with something else than ${what}: ${where}`);
}
