/** A real cb-registry with the registry of layers, the tokens for it, and requests with exactly the given path. */
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { type IncomingMessage, request } from "node:http";
import { stringify } from "yaml";
import { freePort } from "../../../infra/local/http-port.ts";
import { dockerRegistryPath } from "../../../infra/tools/setup/unpacked-program.ts";
import { createKey, type NKey } from "../../../lib/nats/credentials/nkey.ts";
import { isReplying } from "../../../lib/oci/is-replying.ts";
import { LAYERS_LOGIN, type LayersGrant, layersRepository, layersToken } from "../../../lib/oci/layers/token.ts";
import type { Running, Stack } from "../stack.ts";
import { until } from "../until.ts";
import { configOf, digestOf, MANIFEST_TYPE, manifestOf } from "./oci-image.ts";

export interface Layers {
  /** 127.0.0.1:PORT of the gate. */
  readonly host: string;
  readonly folder: string;
  readonly key: NKey;
  readonly service: Running;
  stop(): Promise<void>;
}

export interface LayersOptions {
  readonly name?: string;
  readonly userGiB?: number;
  /** Default: a new one. */
  readonly key?: NKey;
  /** Default: a free one. */
  readonly port?: number | undefined;
}

/** Resolves when docker-registry replies behind the gate. */
export async function startLayers(stack: Stack, options: LayersOptions = {}): Promise<Layers> {
  const { name = "layers", userGiB = 1, key = createKey("account"), port = await freePort(0) } = options;
  const host = `127.0.0.1:${port}`;
  const folder = stack.path(name);
  const config = stack.path(`${name}.yaml`);
  const layers = { listen: host, key: key.publicKey, userGiB };
  writeFileSync(config, stringify({ folder, program: await dockerRegistryPath(), layers }));
  const service = stack.start("cb-registry", ["--config", config]);
  const socket = { host: "layers", plainHttp: true, socketPath: `${folder}/layers/socket` };
  await until("docker-registry replies", () => isReplying(socket, 5_000));
  const stop = async () => {
    service.kill("SIGTERM");
    await service.finished;
  };
  return { host, folder, key, service, stop };
}

/** The token of a build of this user, and the user's repository. */
export function buildOf(key: NKey, user: string, change: Partial<LayersGrant> = {}) {
  const grant = { user, arch: "x86_64", build: randomUUID(), expiresAtMs: Date.now() + 600_000, ...change };
  return { token: layersToken(grant, (data) => key.sign(data)), repository: layersRepository(grant) };
}
export type LayersBuild = ReturnType<typeof buildOf>;

export interface Reply {
  readonly status: number;
  readonly headers: IncomingMessage["headers"];
  readonly body: Buffer;
}

export interface LayersCall {
  /** Path and query as they are sent: fetch() would normalise them. */
  readonly path: string;
  readonly method?: string;
  readonly token?: string;
  readonly body?: Buffer | string;
  readonly headers?: Readonly<Record<string, string>>;
}

export async function call(host: string, { path, method = "GET", token, body, headers }: LayersCall): Promise<Reply> {
  const [hostname, port] = host.split(":");
  const login = Buffer.from(`${LAYERS_LOGIN}:${token}`).toString("base64");
  const authorization = token === undefined ? {} : { authorization: `Basic ${login}` };
  // docker-registry gives a manifest only in a format that the client accepts.
  const sentHeaders = { accept: MANIFEST_TYPE, ...authorization, ...headers };
  const sent = request({ hostname, port, path, method, agent: false, headers: sentHeaders });
  sent.end(body);
  const [reply] = (await once(sent, "response")) as [IncomingMessage];
  sent.on("error", () => undefined);
  const chunks: Buffer[] = [];
  for await (const chunk of reply) chunks.push(chunk as Buffer);
  return { status: reply.statusCode ?? 0, headers: reply.headers, body: Buffer.concat(chunks) };
}

/** Uploads a blob as buildah does: POST, PATCH, PUT. Returns the first reply that is no success, else the last. */
export async function pushBlob(host: string, { token, repository }: LayersBuild, blob: Buffer): Promise<Reply> {
  const started = await call(host, { path: `/v2/${repository}/blobs/uploads/`, method: "POST", token });
  if (started.status !== 202) return started;
  const sent = await call(host, { path: started.headers.location ?? "", method: "PATCH", token, body: blob });
  if (sent.status !== 202) return sent;
  const path = `${sent.headers.location}&digest=${encodeURIComponent(digestOf(blob))}`;
  return call(host, { path, method: "PUT", token });
}

/** Pushes an image with one layer under the tag. Returns the reply to the manifest. */
export async function pushImage(host: string, build: LayersBuild, tag: string, layer: Buffer): Promise<Reply> {
  for (const blob of [configOf([layer]), layer]) {
    const reply = await pushBlob(host, build, blob);
    if (reply.status !== 201) return reply;
  }
  const headers = { "content-type": MANIFEST_TYPE };
  const path = `/v2/${build.repository}/manifests/${tag}`;
  return call(host, { path, method: "PUT", token: build.token, body: manifestOf([layer]), headers });
}
