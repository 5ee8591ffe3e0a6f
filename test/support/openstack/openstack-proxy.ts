/**
 * A proxy for the testbed's services. It records the calls, and injects faults that the services cannot produce on demand: a lost
 * reply, a rate limit, an old listing. In the catalog it replaces the services' addresses by its own, so that a client which logs in
 * through it sends all calls through it.
 */
import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";

const PORTS = { keystone: 5000, nova: 8774, glance: 9292, neutron: 9696, placement: 8778 } as const;

type ProxiedService = keyof typeof PORTS;

export interface Call {
  readonly service: ProxiedService;
  readonly method: string;
  /** With the query. */
  readonly path: string;
}

/**
 * The treatment of a call. `pass`: forwards it. `lose`: forwards it, and closes the connection instead of replying. `stale`: sends
 * the reply to the last forwarded GET of the same path; forwards the first GET of a path. `reply`: sends this reply without
 * forwarding the call.
 */
export type Treatment =
  | { readonly kind: "pass" }
  | { readonly kind: "lose" }
  | { readonly kind: "stale" }
  | {
      readonly kind: "reply";
      readonly status: number;
      readonly headers?: Record<string, string>;
      readonly body: string;
    };

interface Reply {
  readonly status: number;
  readonly headers: Record<string, string>;
  readonly body: string;
}

const PASS: Treatment = { kind: "pass" };
/** Headers of one connection, and headers that the next hop sets itself. */
const NOT_FORWARDED = /^(?:host|connection|keep-alive|content-length|transfer-encoding|accept-encoding|expect)$/i;

export class OpenStackProxy {
  readonly calls: Call[] = [];
  /** Called for each call before it is forwarded. */
  treat: (call: Call) => Treatment = () => PASS;
  readonly #servers = new Map<ProxiedService, Server>();
  /** The last reply to each GET, by service and path. The pools of the tests use few paths. */
  readonly #lastReplies = new Map<string, Reply>();

  /** `address`: of this machine. Machines of the testbed reach 10.77.0.1, and not the services themselves. */
  static async start(address = "127.0.0.1"): Promise<OpenStackProxy> {
    const proxy = new OpenStackProxy();
    for (const service of Object.keys(PORTS) as ProxiedService[]) {
      const server = createServer((request, response) => {
        proxy.#serve(service, request, response).catch(() => request.socket.destroy());
      });
      await once(server.listen(0, address), "listening");
      proxy.#servers.set(service, server);
    }
    return proxy;
  }

  get authUrl(): string {
    return `${this.#addressOf("keystone")}/v3`;
  }

  /** Applies `treatment` to the next call that `matches`, and forwards all others. */
  next(matches: (call: Call) => boolean, treatment: Treatment): void {
    this.treat = (call) => {
      if (!matches(call)) return PASS;
      this.treat = () => PASS;
      return treatment;
    };
  }

  async stop(): Promise<void> {
    for (const server of this.#servers.values()) {
      server.close();
      server.closeAllConnections();
      await once(server, "close");
    }
  }

  async #serve(service: ProxiedService, request: IncomingMessage, response: ServerResponse): Promise<void> {
    const call = { service, method: request.method ?? "", path: request.url ?? "" };
    this.calls.push(call);
    const treatment = this.treat(call);
    const key = `${service} ${call.path}`;
    const old = treatment.kind === "stale" && call.method === "GET" ? this.#lastReplies.get(key) : undefined;
    const prepared = treatment.kind === "reply" ? treatment : old;
    if (prepared !== undefined) {
      request.resume();
      response.writeHead(prepared.status, prepared.headers).end(prepared.body);
      return;
    }
    const reply = await this.#forward(call, request);
    if (treatment.kind === "lose") throw new Error("the reply is lost");
    if (call.method === "GET") this.#lastReplies.set(key, reply);
    response.writeHead(reply.status, reply.headers).end(reply.body);
  }

  async #forward({ service, method, path }: Call, request: IncomingMessage): Promise<Reply> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const forwarded = Object.entries(request.headers).filter(([name]) => !NOT_FORWARDED.test(name));
    const reply = await fetch(`http://127.0.0.1:${PORTS[service]}${path}`, {
      method,
      headers: forwarded.map(([name, value]): [string, string] => [name, String(value)]),
      ...(chunks.length > 0 && { body: Buffer.concat(chunks) }),
      redirect: "manual",
    });
    const body = this.#withOwnAddresses(await reply.text());
    const kept = [...reply.headers].filter(([name]) => !NOT_FORWARDED.test(name));
    const headers = kept.map(([name, value]): [string, string] => [name, this.#withOwnAddresses(value)]);
    return { status: reply.status, headers: Object.fromEntries(headers), body };
  }

  /** Replaces the services' addresses by the proxy's: in the catalog, in links, in Location. */
  #withOwnAddresses(text: string): string {
    return (Object.keys(PORTS) as ProxiedService[]).reduce(
      (replaced, service) => replaced.replaceAll(`http://127.0.0.1:${PORTS[service]}`, this.#addressOf(service)),
      text,
    );
  }

  #addressOf(service: ProxiedService): string {
    const address = this.#servers.get(service)?.address();
    if (address === undefined || address === null || typeof address === "string")
      throw new Error(`the proxy of ${service} does not listen`);
    return `http://${address.address}:${address.port}`;
  }
}
