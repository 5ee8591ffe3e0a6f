/** Runs a real docker-registry on a free port, and pushes images to it with HTTP calls. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { dockerRegistryPath } from "../../../infra/tools/setup/unpacked-program.ts";
import {
  configOf,
  digestOf,
  INDEX_TYPE,
  indexOf,
  MANIFEST_TYPE,
  manifestOf,
  sifManifest,
  type Variant,
} from "./oci-image.ts";

export interface RunningRegistry {
  /** 127.0.0.1:PORT. */
  readonly host: string;
  stop(): Promise<void>;
}

export interface RegistryOptions {
  /** Contains the configuration, and the images in `storage`. Several registries may use the same folder. */
  readonly folder: string;
  /** The section `auth` of its configuration. */
  readonly auth?: unknown;
  /** Default: a free one. */
  readonly port?: number;
  /** Paths of a certificate and its key. Default: plain HTTP. */
  readonly tls?: { readonly certificate: string; readonly key: string };
}

/** Resolves when the registry listens. */
export async function startRegistry({ folder, auth, tls, port = 0 }: RegistryOptions): Promise<RunningRegistry> {
  const config = join(mkdtempSync(join(folder, "registry-")), "config.yml");
  const storage = { filesystem: { rootdirectory: join(folder, "storage") }, delete: { enabled: true } };
  // JSON is YAML.
  const http = { addr: `127.0.0.1:${port}`, ...(tls === undefined ? {} : { tls }) };
  writeFileSync(config, JSON.stringify({ version: "0.1", storage, http, ...(auth === undefined ? {} : { auth }) }));
  const child = spawn(await dockerRegistryPath(), ["serve", config], {
    stdio: ["ignore", "ignore", "pipe"],
    env: { ...process.env, OTEL_TRACES_EXPORTER: "none" },
  });
  const ended = once(child, "close");
  const host = await addressIn(child.stderr);
  // Discard the log: a full pipe would block the registry.
  child.stderr.resume();
  return {
    host,
    async stop() {
      child.kill("SIGKILL");
      await ended;
    },
  };
}

async function addressIn(log: Readable): Promise<string> {
  let output = "";
  for await (const line of createInterface({ input: log })) {
    output += `${line}\n`;
    const host = /listening on (127\.0\.0\.1:\d+)/.exec(line)?.[1];
    if (host !== undefined) return host;
  }
  throw new Error(`docker-registry does not start:\n${output}`);
}

export interface PushedImage {
  readonly repository: string;
  readonly tags: readonly string[];
  /** Tar archives. Default: none. */
  readonly layers?: readonly Buffer[];
  /** Default: this machine's. */
  readonly architecture?: string;
}

/** Pushes an image under each of its tags. */
export async function push(host: string, { repository, tags, layers = [], architecture }: PushedImage): Promise<void> {
  const base = `http://${host}/v2/${repository}`;
  for (const blob of [configOf(layers, architecture), ...layers]) await pushBlob(base, blob);
  for (const tag of tags) {
    const headers = { "content-type": MANIFEST_TYPE };
    await send(`${base}/manifests/${tag}`, { method: "PUT", body: manifestOf(layers, architecture), headers });
  }
}

async function pushBlob(base: string, blob: Buffer): Promise<void> {
  const started = await send(`${base}/blobs/uploads/`, { method: "POST" });
  const upload = new URL(started.headers.get("location") ?? "", base);
  upload.searchParams.set("digest", digestOf(blob));
  await send(upload, { method: "PUT", body: blob, headers: { "content-type": "application/octet-stream" } });
}

/** Pushes a list of images that are there under their own tags: each with the variant of this machine's architecture that it is for. */
export async function pushVariants(
  host: string,
  repository: string,
  tag: string,
  images: readonly Variant[],
): Promise<void> {
  const body = indexOf(images);
  const headers = { "content-type": INDEX_TYPE };
  await send(`http://${host}/v2/${repository}/manifests/${tag}`, { method: "PUT", body, headers });
}

/** Pushes a SIF as `apptainer push … oras://` does. */
export async function pushSif(host: string, repository: string, tag: string, sif: Buffer): Promise<void> {
  const base = `http://${host}/v2/${repository}`;
  const { config, manifest } = sifManifest(sif);
  for (const blob of [config, sif]) await pushBlob(base, blob);
  const headers = { "content-type": MANIFEST_TYPE };
  await send(`${base}/manifests/${tag}`, { method: "PUT", body: manifest, headers });
}

/** Deletes the tags of a repository. Its image must have no layers. The repository stays in the catalog. */
export async function untag(host: string, repository: string): Promise<void> {
  await send(`http://${host}/v2/${repository}/manifests/${digestOf(manifestOf([]))}`, { method: "DELETE" });
}

async function send(url: string | URL, init: RequestInit): Promise<Response> {
  const response = await fetch(url, init);
  if (!response.ok) throw new Error(`${init.method} ${url}: ${response.status} ${await response.text()}`);
  await response.arrayBuffer();
  return response;
}
