/**
 * An HTTP server in place of an OpenStack cloud. It sends the replies that the real services sent when they were recorded
 * (test/fixtures/openstack), and fails on demand as services and networks do. All four services are on one port.
 */
import { EventEmitter, once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";

const FIXTURES = join(import.meta.dirname, "../../fixtures/openstack");

/** The addresses of the services in the recordings, and their path prefixes on this server. */
const SERVICES = {
  "http://127.0.0.1:5000": "keystone",
  "http://127.0.0.1:8774": "nova",
  "http://127.0.0.1:9292": "glance",
  "http://127.0.0.1:9696": "neutron",
} as const;

/** `disconnect`: closes the connection before the reply. `silent`: never replies. */
export type CloudReply =
  | { readonly status: number; readonly headers?: Readonly<Record<string, string>>; readonly body?: unknown }
  | "disconnect"
  | "silent";

type PendingReply = CloudReply | Promise<CloudReply>;

export interface ReceivedRequest {
  readonly method: string;
  /** "/nova/v2.1/servers/detail". */
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: IncomingMessage["headers"];
  /** Of a request with other content than JSON, the number of bytes. */
  readonly body: unknown;
}

/** The recordings that are sent unless a test sets other replies. */
const DEFAULTS: Readonly<Record<string, string>> = {
  "POST /keystone/v3/auth/tokens": "keystone/token",
  "GET /nova/v2.1/": "nova/version",
  "GET /nova/v2.1/flavors": "nova/resources/flavors",
  "GET /nova/v2.1/os-keypairs": "nova/resources/keypairs",
  "GET /nova/v2.1/os-availability-zone": "nova/resources/availability-zones",
  "GET /nova/v2.1/os-server-groups": "nova/resources/server-groups",
  "GET /nova/v2.1/limits": "nova/resources/limits",
  "GET /nova/v2.1/servers/detail": "nova/listings/none",
  "POST /nova/v2.1/servers": "nova/server/created",
  "GET /neutron/v2.0/networks": "neutron/networks",
  "GET /neutron/v2.0/security-groups": "neutron/security-groups",
  "GET /glance/v2/images": "glance/images-stub",
};

export class RecordedCloud {
  readonly requests: ReceivedRequest[] = [];
  readonly #server: Server;
  readonly #replies = new Map<string, PendingReply[]>();
  readonly #received = new EventEmitter();

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

  /**
   * Sets the replies to a route such as "POST /nova/v2.1/servers": one for each request, and the last one for all further
   * requests. A string is the name of a recording, or a failure. A promise is sent once it resolves.
   */
  replyTo(route: string, ...replies: readonly (PendingReply | string)[]): void {
    this.#replies.set(
      route,
      replies.map((reply) => (typeof reply === "string" && !isFailure(reply) ? recorded(reply) : reply)),
    );
  }

  /** Resolves when the next request of that route is received. */
  async nextRequest(route: string): Promise<void> {
    await once(this.#received, route);
  }

  /** The number of requests by route, without those to keystone. */
  requestCounts(): Record<string, number> {
    const counts: Record<string, number> = {};
    for (const { method, path } of this.requests) {
      const route = `${method} ${path}`;
      if (!path.startsWith("/keystone")) counts[route] = (counts[route] ?? 0) + 1;
    }
    return counts;
  }

  /** May be called twice. */
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
    this.requests.push({ method, path, query, headers, body: contentOf(headers, Buffer.concat(chunks)) });
    const route = `${method} ${path}`;
    this.#received.emit(route);
    const reply = await this.#nextReply(route);
    if (reply === "disconnect") return void request.socket.destroy();
    if (reply === "silent") return;
    const { status, headers: extra = {}, body } = reply;
    response.writeHead(status, { "content-type": "application/json", ...extra });
    response.end(this.#withOwnAddress(body === undefined || body === null ? "" : JSON.stringify(body)));
  }

  #nextReply(route: string): PendingReply {
    const replies = this.#replies.get(route);
    const next = replies !== undefined && replies.length > 1 ? replies.shift() : replies?.[0];
    const recording = DEFAULTS[route];
    return (
      next ??
      (recording === undefined
        ? { status: 404, body: { itemNotFound: { code: 404, message: `no ${route}` } } }
        : recorded(recording))
    );
  }

  /** Replaces the recorded addresses, in the catalog and in links, by this server's. */
  #withOwnAddress(text: string): string {
    return Object.entries(SERVICES).reduce(
      (replaced, [address, prefix]) => replaced.replaceAll(address, `${this.address}/${prefix}`),
      text,
    );
  }
}

function contentOf(headers: IncomingMessage["headers"], content: Buffer): unknown {
  if (headers["content-type"] === "application/octet-stream") return content.length;
  return content.length === 0 ? undefined : JSON.parse(content.toString());
}

const isFailure = (text: string): text is "disconnect" | "silent" => text === "disconnect" || text === "silent";

interface Recording {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  // biome-ignore lint/suspicious/noExplicitAny: the body has the format of its recording.
  readonly body: any;
}

/** The recording `name`, a path below test/fixtures/openstack without its extension. */
export function recorded(name: string): Recording {
  return JSON.parse(readFileSync(join(FIXTURES, `${name}.json`), "utf8"));
}
