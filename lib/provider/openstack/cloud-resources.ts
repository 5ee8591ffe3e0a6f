/** What there is on a cloud to make machines of: each list with names and ids, as the services of OpenStack have it. */
import * as v from "valibot";
import { CbError } from "../../core/errors.ts";
import type { Compute } from "./api/compute.ts";
import { refusalOf } from "./api/refusal.ts";
import type { CloudSession } from "./api/session.ts";
import type { ServiceType } from "./auth/token.ts";

export interface CloudResource {
  readonly id: string;
  readonly name: string;
}

const thing = v.object({ id: v.string(), name: v.nullish(v.string(), "") });
const key = v.pipe(
  v.object({ keypair: v.object({ name: v.string() }) }),
  v.transform(({ keypair: { name } }): CloudResource => ({ id: name, name })),
);
const zone = v.pipe(
  v.object({ zoneName: v.string() }),
  v.transform(({ zoneName }): CloudResource => ({ id: zoneName, name: zoneName })),
);

/** More than a project has of anything but images, and of those the newest are looked at. */
const LIST = "limit=1000";
const UUID = /^[0-9a-f]{8}(?:-?[0-9a-f]{4}){3}-?[0-9a-f]{12}$/i;

export class CloudResources {
  readonly #session: CloudSession;
  readonly #compute: Compute;

  constructor(session: CloudSession, compute: Compute) {
    this.#session = session;
    this.#compute = compute;
  }

  flavors(signal: AbortSignal): Promise<CloudResource[]> {
    return this.#nova(`/flavors?${LIST}`, "flavors", thing, signal);
  }

  keys(signal: AbortSignal): Promise<CloudResource[]> {
    return this.#nova(`/os-keypairs?${LIST}`, "keypairs", key, signal);
  }

  zones(signal: AbortSignal): Promise<CloudResource[]> {
    return this.#nova("/os-availability-zone", "availabilityZoneInfo", zone, signal);
  }

  serverGroups(signal: AbortSignal): Promise<CloudResource[]> {
    return this.#nova(`/os-server-groups?${LIST}`, "server_groups", thing, signal);
  }

  networks(signal: AbortSignal): Promise<CloudResource[]> {
    return this.#other("network", "/v2.0/networks?fields=id&fields=name", "networks", signal);
  }

  securityGroups(signal: AbortSignal): Promise<CloudResource[]> {
    return this.#other("network", "/v2.0/security-groups?fields=id&fields=name", "security_groups", signal);
  }

  /** The active ones of that name or id, the newest first. */
  async images(wanted: string, signal: AbortSignal): Promise<CloudResource[]> {
    const filter = new URLSearchParams({ [UUID.test(wanted) ? "id" : "name"]: wanted });
    return await this.#other("image", `/v2/images?${filter}&status=active&sort=created_at:desc`, "images", signal);
  }

  /** For saying what there is. */
  allImages(signal: AbortSignal): Promise<CloudResource[]> {
    return this.#other("image", "/v2/images?status=active&sort=created_at:desc&limit=100", "images", signal);
  }

  async #nova(
    path: string,
    list: string,
    item: v.GenericSchema<unknown, CloudResource>,
    signal: AbortSignal,
  ): Promise<CloudResource[]> {
    const { body } = await this.#compute.get(path, signal, `the list of ${list}`);
    return readList(body, list, item);
  }

  async #other(service: ServiceType, path: string, list: string, signal: AbortSignal): Promise<CloudResource[]> {
    const answer = await this.#session.call({ service, path, method: "GET", signal });
    if (answer.status !== 200) throw refusalOf(answer, `the list of ${list}`);
    return readList(answer.body, list, thing);
  }
}

function readList(body: unknown, list: string, item: v.GenericSchema<unknown, CloudResource>): CloudResource[] {
  const parsed = v.safeParse(v.object({ [list]: v.array(item) }), body, { abortEarly: true });
  if (parsed.success) return parsed.output[list] ?? [];
  throw new CbError("infrastructure", `the cloud answers with something else than a list of ${list}`);
}
