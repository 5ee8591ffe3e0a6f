/**
 * The HTTP server of the queue: GET and HEAD of a few fixed paths. It has no login, so it is bounded in everything that a client
 * chooses: headers, connections, time. A request never waits for NATS.
 */
import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { HttpConfig } from "../../config/http-config.ts";
import { CbError, messageOf } from "../../core/errors.ts";
import { isAllowedHost } from "./allowed-host.ts";

export interface HttpReply {
  readonly status?: number;
  /** With its charset. */
  readonly type: string;
  readonly body: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Path, beginning with a slash → the reply. */
export type Routes = Readonly<Record<string, () => HttpReply>>;

/** Prometheus and browsers send less than 2 KiB. */
const HEADERS_MAX_BYTES = 8 * 1024;
/** Two Prometheus servers, a proxy with some connections, and some browsers. */
const CONNECTIONS_MAX = 64;
/** From the connection to the end of the headers, and for a body, which is refused. */
const REQUEST_MS = 5_000;
/** An idle connection, or a client that does not read its reply. Longer than the 5 s in which the status page asks again. */
const IDLE_MS = 15_000;
/** How often Node looks for requests that take too long. */
const CHECK_MS = 1_000;

/** Nothing may be loaded into, framed by or kept from these pages. */
const COMMON_HEADERS = {
  "cache-control": "no-store",
  "cross-origin-resource-policy": "same-origin",
  "referrer-policy": "no-referrer",
  "x-content-type-options": "nosniff",
  "x-frame-options": "DENY",
};

export interface HttpServer {
  /** Ends all connections. */
  close(): Promise<void>;
}

/** Resolves when it listens. Throws CbError "infrastructure" when the port is in use, "config" when the address cannot be used. */
export async function openHttpServer({ listen, hosts }: HttpConfig, routes: Routes): Promise<HttpServer> {
  const timeouts = { headersTimeout: REQUEST_MS, requestTimeout: REQUEST_MS, keepAliveTimeout: IDLE_MS };
  const bounds = { maxHeaderSize: HEADERS_MAX_BYTES, connectionsCheckingInterval: CHECK_MS, ...timeouts };
  const server = createServer(bounds, (request, response) => {
    send(request, response, replyTo(request, routes, hosts));
  });
  server.maxConnections = CONNECTIONS_MAX;
  server.setTimeout(IDLE_MS);
  await startListening(server, listen);
  return {
    async close() {
      const closed = once(server, "close");
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

async function startListening(server: Server, { address, port }: HttpConfig["listen"]): Promise<void> {
  try {
    const listening = once(server, "listening");
    server.listen({ host: address, port });
    await listening;
  } catch (cause) {
    const code = cause instanceof Error && "code" in cause ? cause.code : undefined;
    throw new CbError(
      code === "EADDRINUSE" ? "infrastructure" : "config",
      `cannot listen on ${address} port ${port}: ${messageOf(cause)}`,
      {
        hint: `${remedyFor(code)}; the setting is http.listen`,
        cause,
      },
    );
  }
}

function remedyFor(code: unknown): string {
  if (code === "EADDRINUSE") return "another program uses this port: end it, or choose another port";
  if (code === "EADDRNOTAVAIL") return "this machine has no such address: choose one of its own";
  if (code === "EACCES") return "only root may use a port below 1024: choose a higher one";
  return "choose another address";
}

function replyTo(request: IncomingMessage, routes: Routes, hosts: readonly string[]): HttpReply {
  const { method = "", url = "", headers } = request;
  if (!isAllowedHost(headers.host, hosts)) {
    const known = "this host name is not allowed: add it to http.hosts in queue.yaml";
    return failure(421, known);
  }
  if (method !== "GET" && method !== "HEAD") return { ...failure(405, "only GET"), headers: { allow: "GET, HEAD" } };
  if (hasBody(request)) return failure(413, "a request has no body here");
  const path = url.split("?", 1)[0] ?? "";
  const route = Object.hasOwn(routes, path) ? routes[path] : undefined;
  return route?.() ?? failure(404, `the pages are ${Object.keys(routes).join(" ")}`);
}

const hasBody = ({ headers }: IncomingMessage): boolean =>
  headers["transfer-encoding"] !== undefined || (headers["content-length"] ?? "0") !== "0";

const failure = (status: number, reason: string): HttpReply => ({
  status,
  type: "text/plain; charset=utf-8",
  body: `${reason}\n`,
});

function send(request: IncomingMessage, response: ServerResponse, reply: HttpReply): void {
  const { status = 200, type, body, headers } = reply;
  const length = String(Buffer.byteLength(body));
  // A refused body is not read, so the connection cannot carry another request.
  const closing = hasBody(request) ? { connection: "close" } : {};
  response.writeHead(status, {
    ...COMMON_HEADERS,
    ...closing,
    "content-type": type,
    "content-length": length,
    ...headers,
  });
  response.end(request.method === "HEAD" ? undefined : body);
}
