/** Lists the cloud's resources that a machine is made from or attached to: flavors, images, networks, keys and the like. */
import * as v from "valibot";
import { CbError } from "../../../core/errors.ts";
import type { ServiceType } from "../auth/catalog.ts";
import type { Compute } from "./compute.ts";
import { refusalOf } from "./refusal.ts";
import type { CloudSession } from "./session.ts";

export interface CloudResource {
  readonly id: string;
  readonly name: string;
}

const resource = v.object({ id: v.string(), name: v.nullish(v.string(), "") });
const key = v.pipe(
  v.object({ keypair: v.object({ name: v.string() }) }),
  v.transform(({ keypair: { name } }): CloudResource => ({ id: name, name })),
);
const zone = v.pipe(
  v.object({ zoneName: v.string() }),
  v.transform(({ zoneName }): CloudResource => ({ id: zoneName, name: zoneName })),
);

/** One page: a project has fewer than 1000 of each kind. (Images are filtered and sorted instead.) */
const LIMIT = "limit=1000";
const UUID = /^[0-9a-f]{8}(?:-?[0-9a-f]{4}){3}-?[0-9a-f]{12}$/i;

interface NovaList {
  readonly path: string;
  /** The key of the list in the reply. */
  readonly list: string;
  readonly item: v.GenericSchema<unknown, CloudResource>;
}

interface ServiceList {
  readonly service: ServiceType;
  readonly path: string;
  /** The key of the list in the reply. */
  readonly list: string;
}

/** Every method throws NoReplyError when there is no reply, and CbError for an unexpected one; see refusalOf. */
export class CloudResources {
  readonly #session: CloudSession;
  readonly #compute: Compute;

  constructor(session: CloudSession, compute: Compute) {
    this.#session = session;
    this.#compute = compute;
  }

  flavors(signal: AbortSignal): Promise<CloudResource[]> {
    return this.#listNova({ path: `/flavors?${LIMIT}`, list: "flavors", item: resource }, signal);
  }

  keys(signal: AbortSignal): Promise<CloudResource[]> {
    return this.#listNova({ path: `/os-keypairs?${LIMIT}`, list: "keypairs", item: key }, signal);
  }

  zones(signal: AbortSignal): Promise<CloudResource[]> {
    return this.#listNova({ path: "/os-availability-zone", list: "availabilityZoneInfo", item: zone }, signal);
  }

  serverGroups(signal: AbortSignal): Promise<CloudResource[]> {
    return this.#listNova({ path: `/os-server-groups?${LIMIT}`, list: "server_groups", item: resource }, signal);
  }

  networks(signal: AbortSignal): Promise<CloudResource[]> {
    return this.#list({ service: "network", path: "/v2.0/networks?fields=id&fields=name", list: "networks" }, signal);
  }

  securityGroups(signal: AbortSignal): Promise<CloudResource[]> {
    const path = "/v2.0/security-groups?fields=id&fields=name";
    return this.#list({ service: "network", path, list: "security_groups" }, signal);
  }

  /** The active images with this name or id, newest first. */
  async images(nameOrId: string, signal: AbortSignal): Promise<CloudResource[]> {
    const filter = new URLSearchParams({ [UUID.test(nameOrId) ? "id" : "name"]: nameOrId });
    const path = `/v2/images?${filter}&status=active&sort=created_at:desc`;
    return await this.#list({ service: "image", path, list: "images" }, signal);
  }

  /** The 100 newest active images, for suggestions in an error message. */
  newestImages(signal: AbortSignal): Promise<CloudResource[]> {
    const path = "/v2/images?status=active&sort=created_at:desc&limit=100";
    return this.#list({ service: "image", path, list: "images" }, signal);
  }

  async #listNova({ path, list, item }: NovaList, signal: AbortSignal): Promise<CloudResource[]> {
    const { body } = await this.#compute.get(path, signal, `the list of ${list}`);
    return readList(body, list, item);
  }

  async #list({ service, path, list }: ServiceList, signal: AbortSignal): Promise<CloudResource[]> {
    const reply = await this.#session.call({ service, path, method: "GET", signal });
    if (reply.status !== 200) throw refusalOf(reply, `the list of ${list}`);
    return readList(reply.body, list, resource);
  }
}

function readList(body: unknown, list: string, item: v.GenericSchema<unknown, CloudResource>): CloudResource[] {
  const parsed = v.safeParse(v.object({ [list]: v.array(item) }), body, { abortEarly: true });
  if (parsed.success) return parsed.output[list] ?? [];
  throw new CbError("infrastructure", `the cloud's reply is not a list of ${list}`);
}
