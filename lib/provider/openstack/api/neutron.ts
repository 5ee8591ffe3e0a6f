/** The basis of all calls to neutron (Networking API v2.0): collections, ids, and refusals. */
import * as v from "valibot";
import type { JsonReply } from "../../../core/http-json.ts";
import { readReply } from "./read-reply.ts";
import { refusalOf } from "./refusal.ts";
import type { CloudSession, ServiceCall } from "./session.ts";

export interface Collection<Item> {
  /** In the address: "security-groups". Its name in a reply has underscores. */
  readonly collection: string;
  readonly query: Readonly<Record<string, string>>;
  readonly schema: v.GenericSchema<unknown, Item>;
}

/** A created resource is in an object with one key, its kind. */
const created = v.pipe(
  v.record(v.string(), v.object({ id: v.string() })),
  v.transform((body) => Object.values(body)[0]?.id ?? ""),
);

/** Every method throws NoReplyError when there is no reply, and CbError for an unexpected one; see refusalOf. */
export class NeutronCalls {
  readonly #session: CloudSession;

  constructor(session: CloudSession) {
    this.#session = session;
  }

  /** The filter without which an administrator would list the resources of all projects. */
  async ofProject(signal: AbortSignal): Promise<{ readonly project_id: string }> {
    return { project_id: await this.#session.projectId(signal) };
  }

  /** All items; neutron sends them in one reply unless it is asked for pages. None where it has no such collection. */
  async list<Item>({ collection, query, schema }: Collection<Item>, signal: AbortSignal): Promise<Item[]> {
    const reply = await this.#call({ method: "GET", path: `/${collection}?${new URLSearchParams(query)}`, signal });
    // A cloud without routers has no floating addresses.
    if (reply.status === 404) return [];
    if (reply.status !== 200) throw refusalOf(reply, `the list of ${collection}`);
    const key = collection.replaceAll("-", "_");
    return readReply(v.object({ [key]: v.array(schema) }), reply, `a list of ${collection}`)[key] ?? [];
  }

  /** Resolves with the id. */
  async create(collection: string, body: object, signal: AbortSignal): Promise<string> {
    const reply = await this.#call({ method: "POST", path: `/${collection}`, body, signal });
    if (reply.status !== 201) throw refusalOf(reply, `one of the ${collection}`);
    return readReply(created, reply, `one of the ${collection}`);
  }

  /** For a resource that neutron compares with the existing ones. */
  async createUnlessExists(collection: string, body: object, signal: AbortSignal): Promise<void> {
    const reply = await this.#call({ method: "POST", path: `/${collection}`, body, signal });
    if (reply.status !== 201 && reply.status !== 409) throw refusalOf(reply, `one of the ${collection}`);
  }

  async update(path: string, body: object, signal: AbortSignal): Promise<void> {
    const reply = await this.#call({ method: "PUT", path: `/${path}`, body, signal });
    if (reply.status !== 200) throw refusalOf(reply, `the change of ${path}`);
  }

  /** Resolves with true when it is deleted or does not exist, with false while something uses it. */
  async delete(collection: string, id: string, signal: AbortSignal): Promise<boolean> {
    const reply = await this.#call({ method: "DELETE", path: `/${collection}/${encodeURIComponent(id)}`, signal });
    if (reply.status === 204 || reply.status === 404) return true;
    if (reply.status === 409) return false;
    throw refusalOf(reply, `the deletion of one of the ${collection}`);
  }

  #call({ path, ...call }: Omit<ServiceCall, "service">): Promise<JsonReply> {
    return this.#session.call({ service: "network", path: `/v2.0${path}`, ...call });
  }
}
