/**
 * Stands before the testbed's services and does what they cannot be made to do: lose a reply, limit the rate, show an old
 * listing. It counts the calls. Whoever logs in through it is told its addresses in place of the services' own.
 */
import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";

const PORTS = { keystone: 5000, nova: 8774, glance: 9292, neutron: 9696, placement: 8778 } as const;

type Behind = keyof typeof PORTS;

export interface Call {
  readonly service: Behind;
  readonly method: string;
  /** With its query. */
  readonly path: string;
}

/**
 * What becomes of a call. `lose`: it is carried out, and the connection is cut in place of the reply. `stale`: it is answered as
 * the last call of that path that passed; the first of a path passes.
 */
export type Treatment =
  | { readonly kind: "pass" }
  | { readonly kind: "lose" }
  | { readonly kind: "stale" }
  | {
      readonly kind: "answer";
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
/** Headers that are about one connection, or that the next hop makes itself. */
const NOT_PASSED_ON = /^(?:host|connection|keep-alive|content-length|transfer-encoding|accept-encoding|expect)$/i;

export class OpenStackProxy {
  readonly calls: Call[] = [];
  /** Asked about each call before it is carried out. */
  treat: (call: Call) => Treatment = () => PASS;
  readonly #servers = new Map<Behind, Server>();
  /** What each path was last answered, by service and path; of GET alone, and as few as the tests' pools ask for. */
  readonly #last = new Map<string, Reply>();

  static async start(): Promise<OpenStackProxy> {
    const proxy = new OpenStackProxy();
    for (const service of Object.keys(PORTS) as Behind[]) {
      const server = createServer((request, response) => {
        proxy.#serve(service, request, response).catch(() => request.socket.destroy());
      });
      await once(server.listen(0, "127.0.0.1"), "listening");
      proxy.#servers.set(service, server);
    }
    return proxy;
  }

  get authUrl(): string {
    return `${this.#at("keystone")}/v3`;
  }

  /** Treats the next call that `matches` so, and passes all others. */
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

  async #serve(service: Behind, request: IncomingMessage, response: ServerResponse): Promise<void> {
    const call = { service, method: request.method ?? "", path: request.url ?? "" };
    this.calls.push(call);
    const treatment = this.treat(call);
    const about = `${service} ${call.path}`;
    const old = treatment.kind === "stale" && call.method === "GET" ? this.#last.get(about) : undefined;
    const answer = treatment.kind === "answer" ? treatment : old;
    if (answer !== undefined) {
      request.resume();
      response.writeHead(answer.status, answer.headers).end(answer.body);
      return;
    }
    const reply = await this.#carryOut(call, request);
    if (treatment.kind === "lose") throw new Error("the reply is lost");
    if (call.method === "GET") this.#last.set(about, reply);
    response.writeHead(reply.status, reply.headers).end(reply.body);
  }

  async #carryOut({ service, method, path }: Call, request: IncomingMessage): Promise<Reply> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const passed = Object.entries(request.headers).filter(([name]) => !NOT_PASSED_ON.test(name));
    const reply = await fetch(`http://127.0.0.1:${PORTS[service]}${path}`, {
      method,
      headers: passed.map(([name, value]): [string, string] => [name, String(value)]),
      ...(chunks.length > 0 && { body: Buffer.concat(chunks) }),
      redirect: "manual",
    });
    const body = this.#renamed(await reply.text());
    const kept = [...reply.headers].filter(([name]) => !NOT_PASSED_ON.test(name));
    const headers = kept.map(([name, value]): [string, string] => [name, this.#renamed(value)]);
    return { status: reply.status, headers: Object.fromEntries(headers), body };
  }

  /** With our addresses in place of the services' own: in the catalog, in links, in Location. */
  #renamed(text: string): string {
    return (Object.keys(PORTS) as Behind[]).reduce(
      (sofar, service) => sofar.replaceAll(`http://127.0.0.1:${PORTS[service]}`, this.#at(service)),
      text,
    );
  }

  #at(service: Behind): string {
    const address = this.#servers.get(service)?.address();
    if (address === undefined || address === null || typeof address === "string") throw new Error("no port");
    return `http://127.0.0.1:${address.port}`;
  }
}
