/**
 * The only way to the registry of layers. docker-registry itself has no idea of users: it listens on a socket that this process alone can
 * open, and gets the requests that the gate has checked. A request needs the token of a build, and reaches that user's repository only.
 */
import { createServer, type IncomingMessage, request, type ServerResponse } from "node:http";
import { createServer as createTlsServer } from "node:https";
import type { Socket } from "node:net";
import { Transform } from "node:stream";
import { pipeline } from "node:stream/promises";
import type { Logger } from "pino";
import { type LayersRequest, requestOf } from "./access.ts";
import { type LayersGrant, layersRepository } from "./token.ts";
import type { LayerUsage } from "./usage.ts";

/** A connection without a byte for so long is closed. docker-registry replies within seconds. */
const IDLE_MS = 30_000;
/** The longest transfer of one layer: an hour, in which a line of 10 MB/s carries 36 GB. */
const REQUEST_MS = 3_600_000;
/** Of one user at a time: buildah opens six for each image (containers/image, maxParallelDownloads), and four builds of a user run. */
const REQUESTS_PER_USER = 64;
const CONNECTIONS_MAX = 1024;
/** A refused upload is read on for so long, because a client that is still sending may miss the reply when the connection is closed. */
const DRAIN_MS = 5_000;

export interface GateOptions {
  /** Of docker-registry. */
  readonly socketPath: string;
  readonly grantIn: (token: string) => LayersGrant | undefined;
  readonly usage: LayerUsage;
  /** PEM texts. Absent: no TLS. */
  readonly tls?: { readonly cert: string; readonly key: string } | undefined;
  readonly log: Logger;
}

/** The caller makes it listen and closes it. */
export function createGate(options: GateOptions) {
  const counter = new RequestCounter();
  const listener = (incoming: IncomingMessage, response: ServerResponse): void => {
    // A client that goes away is no event of interest.
    for (const stream of [incoming, response]) stream.on("error", () => undefined);
    const admitted = admit(incoming, options);
    if ("status" in admitted) refuse(incoming, response, admitted);
    else if (!counter.begin(admitted.user, response)) refuse(incoming, response, TOO_MANY);
    else passOn({ incoming, response, ...admitted }, options);
  };
  const settings = { requestTimeout: REQUEST_MS, headersTimeout: 10_000, keepAliveTimeout: IDLE_MS };
  const { tls } = options;
  const server =
    tls === undefined ? createServer(settings, listener) : createTlsServer({ ...settings, ...tls }, listener);
  server.maxConnections = CONNECTIONS_MAX;
  server.setTimeout(IDLE_MS, (socket: Socket) => void socket.destroy());
  return server;
}

class RequestCounter {
  readonly #inProgress = new Map<string, number>();

  /** False: the user has as many requests as are allowed. Else the request counts until its response is closed. */
  begin(user: string, response: ServerResponse): boolean {
    const requests = this.#inProgress.get(user) ?? 0;
    if (requests >= REQUESTS_PER_USER) return false;
    this.#inProgress.set(user, requests + 1);
    response.once("close", () => {
      const left = (this.#inProgress.get(user) ?? 1) - 1;
      if (left > 0) this.#inProgress.set(user, left);
      else this.#inProgress.delete(user);
    });
    return true;
  }
}

interface Refusal {
  readonly status: number;
  /** Of the OCI distribution specification, section "error codes". */
  readonly code: string;
  readonly message: string;
}

const NO_TOKEN: Refusal = { status: 401, code: "UNAUTHORIZED", message: "the token of a build is required" };
const DENIED: Refusal = {
  status: 403,
  code: "DENIED",
  message: "this build may use its user's repository of layers only",
};
const FULL: Refusal = { status: 403, code: "DENIED", message: "the quota of this user's layers is full" };
const TOO_MANY: Refusal = { status: 403, code: "DENIED", message: "too many requests of this user at a time" };
const AWAY: Refusal = { status: 503, code: "UNAVAILABLE", message: "the registry of layers is away" };

interface Admitted {
  readonly kind: LayersRequest;
  /** The digest of the user's name. */
  readonly user: string;
  readonly repository: string;
}

function admit({ method = "", url = "", headers }: IncomingMessage, { grantIn }: GateOptions): Admitted | Refusal {
  const grant = grantIn(passwordIn(headers.authorization));
  if (grant === undefined) return NO_TOKEN;
  const repository = layersRepository(grant);
  const kind = requestOf(method, url, repository);
  return kind === undefined ? DENIED : { kind, repository, user: repository.split("/")[1] ?? "" };
}

/** Node bounds the headers to 16 KiB. */
function passwordIn(authorization = ""): string {
  const [, login = ""] = /^Basic ([A-Za-z0-9+/=]+)$/i.exec(authorization) ?? [];
  return Buffer.from(login, "base64")
    .toString("latin1")
    .replace(/^[^:]*:/, "");
}

function refuse(incoming: IncomingMessage, response: ServerResponse, { status, code, message }: Refusal): void {
  if (response.headersSent) return;
  const challenge = status === 401 ? { "www-authenticate": 'Basic realm="layers of Dockerfiles"' } : {};
  response.writeHead(status, { "content-type": "application/json", ...challenge });
  response.end(JSON.stringify({ errors: [{ code, message }] }));
  const timer = setTimeout(() => incoming.destroy(), DRAIN_MS);
  incoming.once("close", () => clearTimeout(timer));
  incoming.resume();
}

const REQUEST_HEADERS = ["accept", "content-length", "content-range", "content-type", "range"];
const RESPONSE_HEADERS = [
  ...["content-length", "content-range", "content-type", "docker-content-digest", "docker-distribution-api-version"],
  ...["docker-upload-uuid", "etag", "location", "range"],
];

type Exchange = Admitted & { readonly incoming: IncomingMessage; readonly response: ServerResponse };

function passOn(
  { incoming, response, kind, user, repository }: Exchange,
  { socketPath, usage, log }: GateOptions,
): void {
  const { method = "", url = "" } = incoming;
  // Of an upload that it refuses, docker-registry (Go's net/http) reads up to 256 KiB before it replies, unless the connection is to be
  // closed: then it leaves them unread, and the kernel drops the reply with them. The connection ends with the response all the same.
  const headers = { ...only(incoming.headers, REQUEST_HEADERS), host: "layers", connection: "keep-alive" };
  const upstream = request({ socketPath, method, path: url, headers, timeout: IDLE_MS, agent: false });
  response.once("close", () => upstream.destroy());
  upstream.once("timeout", () => upstream.destroy());
  upstream.once("error", (err) => {
    if (!incoming.destroyed) log.debug({ err }, "docker-registry does not reply");
    refuse(incoming, response, AWAY);
  });
  upstream.once("response", (reply) => {
    response.writeHead(reply.statusCode ?? 502, only(reply.headers, RESPONSE_HEADERS));
    pipeline(reply, response).catch(() => response.destroy());
  });
  const refuseFull = (): void => {
    log.info({ repository }, "an upload of layers does not fit into the quota of its user");
    refuse(incoming, response, FULL);
    upstream.destroy();
  };
  if (kind !== "write") {
    incoming.resume();
    upstream.end();
    return;
  }
  if (!usage.add(user, 0)) {
    refuseFull();
    return;
  }
  const counted = new Transform({
    transform: (chunk: Buffer, _, done) =>
      usage.add(user, chunk.length) ? done(null, chunk) : done(new Error("the quota is full")),
  });
  counted.once("error", refuseFull);
  incoming.pipe(counted).pipe(upstream);
}

const only = (headers: IncomingMessage["headers"], names: readonly string[]): Record<string, string> =>
  Object.fromEntries(
    names.flatMap((name) => {
      const value = headers[name];
      return typeof value === "string" ? [[name, value]] : [];
    }),
  );
