/**
 * Stands in for an OpenStack cloud: a server that answers as the real services answered when they were recorded
 * (test/fixtures/openstack), and fails as they or the network between may fail. All four services are on its one port.
 */
import { EventEmitter, once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";

const FIXTURES = join(import.meta.dirname, "../../fixtures/openstack");

/** Where the services were when they were recorded, and what they are called here. */
const PLACES = {
  "http://127.0.0.1:5000": "keystone",
  "http://127.0.0.1:8774": "nova",
  "http://127.0.0.1:9292": "glance",
  "http://127.0.0.1:9696": "neutron",
} as const;

/** `cut`: the connection ends before a reply. `silent`: there is none, for as long as the caller waits. */
export type Answer =
  | { readonly status: number; readonly headers?: Readonly<Record<string, string>>; readonly body?: unknown }
  | "cut"
  | "silent";

type Awaited = Answer | Promise<Answer>;

export interface Asked {
  readonly method: string;
  /** "/nova/v2.1/servers/detail". */
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: IncomingMessage["headers"];
  readonly body: unknown;
}

/** What the services answer as long as nothing else is said. */
const USUAL: Readonly<Record<string, string>> = {
  "POST /keystone/v3/auth/tokens": "token",
  "GET /nova/v2.1/": "nova-version",
  "GET /nova/v2.1/flavors": "flavors",
  "GET /nova/v2.1/os-keypairs": "keypairs",
  "GET /nova/v2.1/os-availability-zone": "availability-zones",
  "GET /nova/v2.1/os-server-groups": "server-groups",
  "GET /nova/v2.1/limits": "limits",
  "GET /nova/v2.1/servers/detail": "servers-none",
  "POST /nova/v2.1/servers": "server-created",
  "GET /neutron/v2.0/networks": "networks",
  "GET /neutron/v2.0/security-groups": "security-groups",
  "GET /glance/v2/images": "images-stub",
};

export class RecordedCloud {
  readonly asked: Asked[] = [];
  readonly #server: Server;
  readonly #answers = new Map<string, Awaited[]>();
  readonly #arrivals = new EventEmitter();

  private constructor(server: Server) {
    this.#server = server;
    server.on("request", (request: IncomingMessage, response: ServerResponse) => void this.#serve(request, response));
  }

  static async start(): Promise<RecordedCloud> {
    const server = createServer();
    await once(server.listen(0, "127.0.0.1"), "listening");
    return new RecordedCloud(server);
  }

  get address(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  get authUrl(): string {
    return `${this.address}/keystone/v3`;
  }

  /** To "POST /nova/v2.1/servers": these in turn, each when it is there, and the last of them from then on. */
  answer(route: string, ...answers: readonly (Awaited | string)[]): void {
    this.#answers.set(
      route,
      answers.map((one) => (typeof one === "string" && !isFailure(one) ? recorded(one) : one)),
    );
  }

  /** Resolves with the next request of that route. */
  async arrival(route: string): Promise<void> {
    await once(this.#arrivals, route);
  }

  /** How often each route was asked for, those to keystone left out. */
  calls(): Record<string, number> {
    const counts: Record<string, number> = {};
    for (const { method, path } of this.asked) {
      const route = `${method} ${path}`;
      if (!path.startsWith("/keystone")) counts[route] = (counts[route] ?? 0) + 1;
    }
    return counts;
  }

  /** Once is enough, twice is no harm. */
  async stop(): Promise<void> {
    if (!this.#server.listening) return;
    this.#server.close();
    this.#server.closeAllConnections();
    await once(this.#server, "close");
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const { pathname: path, searchParams: query } = new URL(request.url ?? "/", this.address);
    const { method = "", headers } = request;
    const text = Buffer.concat(chunks).toString();
    this.asked.push({ method, path, query, headers, body: text === "" ? undefined : JSON.parse(text) });
    const route = `${method} ${path}`;
    this.#arrivals.emit(route);
    const answer = await this.#answerTo(route);
    if (answer === "cut") return void request.socket.destroy();
    if (answer === "silent") return;
    const { status, headers: sent = {}, body } = answer;
    response.writeHead(status, { "content-type": "application/json", ...sent });
    response.end(this.#here(body === undefined || body === null ? "" : JSON.stringify(body)));
  }

  #answerTo(route: string): Awaited {
    const said = this.#answers.get(route);
    const next = said !== undefined && said.length > 1 ? said.shift() : said?.[0];
    const usual = USUAL[route];
    return (
      next ??
      (usual === undefined
        ? { status: 404, body: { itemNotFound: { code: 404, message: `no ${route}` } } }
        : recorded(usual))
    );
  }

  /** With our address in place of those that were recorded: in the catalog, in links. */
  #here(text: string): string {
    return Object.entries(PLACES).reduce(
      (sofar, [place, name]) => sofar.replaceAll(place, `${this.address}/${name}`),
      text,
    );
  }
}

const isFailure = (text: string): text is "cut" | "silent" => text === "cut" || text === "silent";

interface Recorded {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  // biome-ignore lint/suspicious/noExplicitAny: an answer is of whatever shape it was recorded with.
  readonly body: any;
}

export function recorded(name: string): Recorded {
  return JSON.parse(readFileSync(join(FIXTURES, `${name}.json`), "utf8"));
}
