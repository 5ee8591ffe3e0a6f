/**
 * Calls OpenStack's API as an operator with curl would, without the provider under test, which might hide its own mistakes. For
 * tests in the testbed's network.
 */
import { randomBytes } from "node:crypto";
import { openAsBlob } from "node:fs";

const KEYSTONE = "http://127.0.0.1:5000/v3";
const NOVA = "http://127.0.0.1:8774/v2.1";
const NEUTRON = "http://127.0.0.1:9696/v2.0";
const GLANCE = "http://127.0.0.1:9292/v2";
/** 2.52 introduced tags in the create call; newer versions change formats. */
const MICROVERSION = "2.52";
/** neutron and nova reply within a second; on two loaded cores within several. */
const CALL_LIMIT_MS = 30_000;
/** For 161 MB to a disk of the same machine. */
const UPLOAD_LIMIT_MS = 300_000;

type Json = Record<string, unknown>;

export interface ListedServer {
  readonly id: string;
  readonly name: string;
  readonly status: string;
  readonly metadata: Readonly<Record<string, string>>;
  readonly tags: readonly string[];
  readonly taskState: string | undefined;
}

/** The ids of all resources that a builder may leave behind. The testbed has no cinder, so there are no volumes. */
export interface Listings {
  readonly servers: readonly string[];
  readonly ports: readonly string[];
  readonly keypairs: readonly string[];
}

type Login = "demo" | "admin";

interface Session {
  readonly token: string;
  readonly user: { readonly id: string };
  readonly project: { readonly id: string };
}

async function openSession(name: Login): Promise<Session> {
  const domain = { id: "default" };
  const identity = { methods: ["password"], password: { user: { name, domain, password: "secret" } } };
  const body = JSON.stringify({ auth: { identity, scope: { project: { name, domain } } } });
  const headers = { "content-type": "application/json" };
  const signal = AbortSignal.timeout(CALL_LIMIT_MS);
  const reply = await fetch(`${KEYSTONE}/auth/tokens`, { method: "POST", headers, body, signal });
  const { token } = (await reply.json()) as { token: Omit<Session, "token"> };
  return { token: reply.headers.get("x-subject-token") ?? "", user: token.user, project: token.project };
}

export class OpenStackApi {
  readonly #name: Login;
  #token: string;
  readonly projectId: string;
  readonly #userId: string;

  private constructor(name: Login, { token, user, project }: Session) {
    this.#name = name;
    this.#token = token;
    this.#userId = user.id;
    this.projectId = project.id;
  }

  /** `demo` owns the builders; `admin` may change quotas. Throws when keystone does not reply. */
  static async login(name: Login): Promise<OpenStackApi> {
    return new OpenStackApi(name, await openSession(name));
  }

  /** The project's servers, without soft-deleted ones. */
  async servers(): Promise<ListedServer[]> {
    const found = await this.#list(`${NOVA}/servers/detail?limit=1000`, "servers");
    return found.map((server) => ({
      id: String(server.id),
      name: String(server.name),
      status: String(server.status),
      metadata: server.metadata as Record<string, string>,
      tags: server.tags as string[],
      taskState: (server["OS-EXT-STS:task_state"] as string | null) ?? undefined,
    }));
  }

  async listings(): Promise<Listings> {
    const ids = (items: readonly Json[]): string[] => items.map(({ id }) => String(id)).sort();
    const keypairs = await this.#list(`${NOVA}/os-keypairs`, "keypairs");
    return {
      servers: ids(await this.#list(`${NOVA}/servers/detail?limit=1000`, "servers")),
      ports: ids(await this.#list(`${NEUTRON}/ports`, "ports")),
      keypairs: keypairs.map(({ keypair }) => String((keypair as Json).name)).sort(),
    };
  }

  /** Everything that a site may create in the project, as "KIND NAME ID". Without the group "default", and public images. */
  async resources(): Promise<string[]> {
    const project = `project_id=${this.projectId}`;
    const lists: readonly [kind: string, url: string][] = [
      ["servers", `${NOVA}/servers/detail?limit=1000`],
      ["ports", `${NEUTRON}/ports?${project}`],
      ["security_groups", `${NEUTRON}/security-groups?${project}`],
      ["floatingips", `${NEUTRON}/floatingips?${project}`],
      ["images", `${GLANCE}/images?owner=${this.projectId}`],
    ];
    const found: string[] = [];
    for (const [kind, url] of lists) {
      for (const { name, id } of await this.#list(url, kind)) found.push(`${kind} ${name} ${id}`);
    }
    return found.filter((text) => !text.startsWith("security_groups default ")).sort();
  }

  /** The user data of a server, in base64. For `admin` only. */
  async userData(id: string): Promise<string> {
    const { server } = (await this.#call("GET", `${NOVA}/servers/${id}`)) as { server: Json };
    return String(server["OS-EXT-SRV-ATTR:user_data"]);
  }

  /** A network of this project, without DHCP. neutron chooses addresses from `pool`. */
  async createNetwork(
    name: string,
    cidr: string,
    pool: { readonly start: string; readonly end: string },
  ): Promise<void> {
    const { network } = (await this.#call("POST", `${NEUTRON}/networks`, { network: { name } })) as { network: Json };
    const subnet = { network_id: network.id, ip_version: 4, cidr, enable_dhcp: false, allocation_pools: [pool] };
    await this.#call("POST", `${NEUTRON}/subnets`, { subnet });
  }

  /** Resolves with its id. */
  async createSecurityGroup(name: string): Promise<string> {
    const body = { security_group: { name } };
    const { security_group: group } = (await this.#call("POST", `${NEUTRON}/security-groups`, body)) as Record<
      string,
      Json
    >;
    return String(group?.id);
  }

  async deleteSecurityGroup(id: string): Promise<void> {
    await this.#call("DELETE", `${NEUTRON}/security-groups/${id}`);
  }

  async deleteServer(id: string): Promise<void> {
    await this.#call("DELETE", `${NOVA}/servers/${id}`);
  }

  /** The ids of the soft-deleted servers of all projects. For `admin` only. */
  async softDeleted(): Promise<string[]> {
    const found = await this.#list(`${NOVA}/servers/detail?all_tenants=1&deleted=1&limit=1000`, "servers");
    return found.filter(({ status }) => status === "SOFT_DELETED").map(({ id }) => String(id));
  }

  async forceDelete(id: string): Promise<void> {
    await this.#call("POST", `${NOVA}/servers/${id}/action`, { forceDelete: null });
  }

  /** Creates a server that does not belong to the pool. Resolves with its id. */
  async createServer(metadata: Readonly<Record<string, string>>, tags: readonly string[] = []): Promise<string> {
    const [network] = await this.#list(`${NEUTRON}/networks?name=lab`, "networks");
    const name = `other-${randomBytes(4).toString("hex")}`;
    const settings = { name, flavorRef: "1", networks: [{ uuid: network?.id }], metadata, tags };
    const server = { ...settings, imageRef: await this.imageId("stub") };
    const { server: created } = (await this.#call("POST", `${NOVA}/servers`, { server })) as { server: Json };
    return String(created.id);
  }

  async imageId(name: string): Promise<string> {
    const [image] = await this.#list(`${GLANCE}/images?name=${name}`, "images");
    if (image === undefined) throw new Error(`there is no image ${name}`);
    return String(image.id);
  }

  /** Uploads a qcow2 file to glance for this project, as `openstack image create` does. */
  async uploadImage(name: string, file: string, properties: Readonly<Record<string, string>>): Promise<void> {
    const image = { name, disk_format: "qcow2", container_format: "bare", ...properties };
    const { id } = (await this.#call("POST", `${GLANCE}/images`, image)) as Json;
    const headers = { "x-auth-token": this.#token, "content-type": "application/octet-stream" };
    const body = await openAsBlob(file);
    const signal = AbortSignal.timeout(UPLOAD_LIMIT_MS);
    const reply = await fetch(`${GLANCE}/images/${id}/file`, { method: "PUT", headers, body, signal });
    if (!reply.ok) throw new Error(`upload of ${file}: ${reply.status} ${await reply.text()}`);
  }

  /** An application credential with all roles of this user in this project. */
  async createApplicationCredential(name: string): Promise<{ readonly id: string; readonly secret: string }> {
    const url = `${KEYSTONE}/users/${this.#userId}/application_credentials`;
    const created = (await this.#call("POST", url, { application_credential: { name } })) as Record<string, Json>;
    return { id: String(created.application_credential?.id), secret: String(created.application_credential?.secret) };
  }

  /** A public flavor: memory in MiB, disk in GiB. For `admin` only. */
  async createFlavor(
    name: string,
    size: { readonly vcpus: number; readonly ram: number; readonly disk: number },
  ): Promise<void> {
    await this.#call("POST", `${NOVA}/flavors`, { flavor: { name, ...size } });
  }

  /** Sets the project's limit of servers; -1 for no limit. For `admin` only. */
  async setInstanceQuota(project: string, instances: number): Promise<void> {
    const sizes = { cores: -1, ram: -1 };
    await this.#call("PUT", `${NOVA}/os-quota-sets/${project}`, { quota_set: { instances, force: true, ...sizes } });
  }

  /** Sets the project's limit of ports; -1 for no limit. For `admin` only. */
  async setPortQuota(project: string, port: number): Promise<void> {
    await this.#call("PUT", `${NEUTRON}/quotas/${project}`, { quota: { port } });
  }

  async #list(url: string, key: string): Promise<Json[]> {
    return ((await this.#call("GET", url)) as Record<string, Json[]>)[key] ?? [];
  }

  /** A token is valid for an hour, and a deployment on loaded cores takes longer. */
  async #call(method: string, url: string, body?: Json): Promise<unknown> {
    let reply = await this.#send(method, url, body);
    if (reply.status === 401) {
      this.#token = (await openSession(this.#name)).token;
      reply = await this.#send(method, url, body);
    }
    const text = await reply.text();
    // 404 to a DELETE: the resource is already deleted.
    if (!reply.ok && !(method === "DELETE" && reply.status === 404)) {
      throw new Error(`${method} ${url}: ${reply.status} ${text.slice(0, 500)}`);
    }
    return text === "" ? undefined : JSON.parse(text);
  }

  #send(method: string, url: string, body?: Json): Promise<Response> {
    const headers = {
      "x-auth-token": this.#token,
      "content-type": "application/json",
      "x-openstack-nova-api-version": MICROVERSION,
    };
    const content = body === undefined ? {} : { body: JSON.stringify(body) };
    return fetch(url, { method, headers, ...content, signal: AbortSignal.timeout(CALL_LIMIT_MS) });
  }
}
