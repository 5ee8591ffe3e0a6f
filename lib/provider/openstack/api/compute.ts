/** The calls to nova (Compute API v2.1). */
import * as v from "valibot";
import { CbError } from "../../../core/errors.ts";
import type { JsonReply } from "../../../core/http-json.ts";
import type { HttpCall } from "./http.ts";
import { readReply } from "./read-reply.ts";
import { refusalOf } from "./refusal.ts";
import { type Server, serverSchema } from "./server.ts";
import type { CloudSession } from "./session.ts";

/** Below nova's own limit of a page (max_limit, 1000 by default). A page takes about a megabyte. */
const PAGE_SERVERS = 500;
/** Ends a listing if its pages form a circle. 20,000 servers are more than a project has. */
const PAGES_MAX = 40;
/** The version document is at the root of the catalog's address, which may end with the project's id. */
const VERSION_ROOT = /^(.*\/v2(?:\.\d+)?)(?:\/[^/]+)?$/;
/** 2.52 (Pike, 2017) accepts tags in the create call. Without it a machine would exist for a moment without its tags. */
const OLDEST_MICROVERSION = 52;
/**
 * 2.79 (Train, 2019) is the version of the recorded replies in the tests, and no newer feature is used. The version is fixed,
 * because a newer one may change the format of a reply. Since 2.69 nova reports servers in a cell that is down.
 */
const NEWEST_MICROVERSION = 79;

const page = v.object({
  servers: v.array(serverSchema),
  servers_links: v.optional(v.array(v.object({ rel: v.string() })), []),
});
const output = v.object({ output: v.nullish(v.string()) });
const versionDocument = v.object({ version: v.object({ version: v.string() }) });

type ComputeCall = Omit<HttpCall, "url" | "headers" | "limitMs"> & { readonly limitMs?: number };

/** Every method throws NoReplyError when there is no reply, and CbError for an unexpected one; see refusalOf. */
export class Compute {
  readonly #session: CloudSession;
  #microversion: string | undefined;

  constructor(session: CloudSession) {
    this.#session = session;
  }

  /** All servers that have every one of the tags. Reads all pages; throws CbError rather than return some of them. */
  servers(tags: readonly string[], signal: AbortSignal, limitMs?: number): Promise<Server[]> {
    return this.#list({ tags: tags.join(",") }, signal, limitMs);
  }

  /** All servers of the project with a name that begins so, whatever their tags. As servers() otherwise. */
  serversNamed(prefix: string, signal: AbortSignal): Promise<Server[]> {
    // nova treats the name as a regular expression.
    return this.#list({ name: `^${prefix.replace(/[^a-zA-Z0-9-]/g, "\\$&")}` }, signal);
  }

  async #list(filter: Readonly<Record<string, string>>, signal: AbortSignal, limitMs?: number): Promise<Server[]> {
    const found: Server[] = [];
    let marker: string | undefined;
    for (let n = 0; n < PAGES_MAX; n++) {
      const query = new URLSearchParams({ ...filter, limit: String(PAGE_SERVERS) });
      if (marker !== undefined) query.set("marker", marker);
      const call = { method: "GET", signal, ...(limitMs === undefined ? {} : { limitMs }) } as const;
      const reply = await this.#expectOk(`/servers/detail?${query}`, call, "the listing of servers");
      const { servers, servers_links } = readReply(page, reply, "a listing of servers");
      found.push(...servers);
      marker = servers_links.some(({ rel }) => rel === "next") ? servers.at(-1)?.id : undefined;
      if (marker === undefined) return found;
    }
    throw new CbError("infrastructure", `the listing of servers has more than ${PAGES_MAX} pages`);
  }

  /** Undefined when no server has this id. */
  async server(id: string, signal: AbortSignal): Promise<Server | undefined> {
    const reply = await this.#call(`/servers/${encodeURIComponent(id)}`, { method: "GET", signal });
    if (reply.status === 404) return undefined;
    if (reply.status !== 200) throw refusalOf(reply, "the listing of one server");
    return readReply(v.object({ server: serverSchema }), reply, "a server").server;
  }

  /** The reply to POST /servers, whatever its status: the provider decides what follows. */
  create(body: object, signal: AbortSignal): Promise<JsonReply> {
    return this.#call("/servers", { method: "POST", body, signal });
  }

  /** Resolves when nova has begun to shut the server down, or the server does not run. */
  async stop(id: string, signal: AbortSignal): Promise<void> {
    await this.#power(id, "os-stop", signal);
  }

  /** Resolves when nova has begun to start a server that was stopped, or the server runs. */
  async start(id: string, signal: AbortSignal): Promise<void> {
    await this.#power(id, "os-start", signal);
  }

  async #power(id: string, action: "os-start" | "os-stop", signal: AbortSignal): Promise<void> {
    const reply = await this.#action(id, { [action]: null }, signal);
    // 409: the server is in that state, or nova is at work on it.
    if (![202, 404, 409].includes(reply.status)) throw refusalOf(reply, `the action ${action} on a server`);
  }

  /** Resolves when nova has accepted the deletion, or has no such server. */
  async delete(id: string, signal: AbortSignal): Promise<void> {
    const reply = await this.#call(`/servers/${encodeURIComponent(id)}`, { method: "DELETE", signal });
    if (reply.status !== 404 && reply.status !== 204) throw refusalOf(reply, "the deletion of a server");
  }

  /** Deletes a soft-deleted server permanently. Resolves when nova has accepted that, or has no such server. */
  async forceDelete(id: string, signal: AbortSignal): Promise<void> {
    const reply = await this.#action(id, { forceDelete: null }, signal);
    if (reply.status !== 404 && reply.status !== 202) throw refusalOf(reply, "the permanent deletion of a server");
  }

  /** The last `lines` lines of the console. Empty while nova has no output, and when the server is deleted. */
  async console(id: string, lines: number, signal: AbortSignal): Promise<string> {
    const reply = await this.#action(id, { "os-getConsoleOutput": { length: lines } }, signal);
    // 409: the server has no host yet. 404: the server or its console is deleted.
    if (reply.status === 404 || reply.status === 409) return "";
    if (reply.status !== 200) throw refusalOf(reply, "the console output of a server");
    return readReply(output, reply, "console output").output ?? "";
  }

  /** GET of `path`. Throws CbError for every status but 200; `subject` names the object of the call in the message. */
  get(path: string, signal: AbortSignal, subject: string): Promise<JsonReply> {
    return this.#expectOk(path, { method: "GET", signal }, subject);
  }

  #action(id: string, body: object, signal: AbortSignal): Promise<JsonReply> {
    return this.#call(`/servers/${encodeURIComponent(id)}/action`, { method: "POST", body, signal });
  }

  async #expectOk(path: string, call: ComputeCall, subject: string): Promise<JsonReply> {
    const reply = await this.#call(path, call);
    if (reply.status !== 200) throw refusalOf(reply, subject);
    return reply;
  }

  async #call(path: string, call: ComputeCall): Promise<JsonReply> {
    this.#microversion ??= await this.#negotiate(call.signal);
    const headers = { "openstack-api-version": `compute ${this.#microversion}` };
    return this.#session.call({ service: "compute", path, headers, ...call });
  }

  async #negotiate(signal: AbortSignal): Promise<string> {
    const call = { service: "compute", root: VERSION_ROOT, path: "/", method: "GET", signal } as const;
    const reply = await this.#session.call(call);
    if (reply.status !== 200) throw refusalOf(reply, "nova's version document");
    return microversionFor(reply.body, this.#session.cloud.from);
  }
}

/** The newest microversion that nova and this client support. Throws CbError "config" when nova is older than 2.52. */
function microversionFor(body: unknown, from: string): string {
  const parsed = v.safeParse(versionDocument, body);
  const newest = parsed.success ? /^2\.(\d+)$/.exec(parsed.output.version.version)?.[1] : undefined;
  if (newest === undefined) throw new CbError("config", `${from}: nova does not report its microversions`);
  if (Number(newest) >= OLDEST_MICROVERSION) return `2.${Math.min(Number(newest), NEWEST_MICROVERSION)}`;
  const message = `nova supports microversions up to 2.${newest}, at least 2.${OLDEST_MICROVERSION} is required`;
  throw new CbError("config", `${from}: ${message}`);
}
