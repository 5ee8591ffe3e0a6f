/** A real docker-registry on a free port, and images pushed to it by plain HTTP calls. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { aptUnpack } from "../../../infra/tools/setup/apt.ts";
import { findPrograms } from "../../../infra/tools/setup/find-program.ts";
import { folders } from "../../../lib/config/folders.ts";
import { configOf, digestOf, MANIFEST_TYPE, manifestOf } from "./oci-image.ts";

export interface RunningRegistry {
  /** 127.0.0.1:PORT. */
  readonly host: string;
  stop(): Promise<void>;
}

export interface RegistryOptions {
  /** For its configuration, and its images in `storage`: several registries may serve the same. */
  readonly folder: string;
  /** The section `auth` of its configuration. */
  readonly auth?: unknown;
  /** Paths of a certificate and its key. Without, it speaks plain http. */
  readonly tls?: { readonly certificate: string; readonly key: string };
}

/** Resolves when it listens. */
export async function startRegistry({ folder, auth, tls }: RegistryOptions): Promise<RunningRegistry> {
  const config = join(mkdtempSync(join(folder, "registry-")), "config.yml");
  const storage = { filesystem: { rootdirectory: join(folder, "storage") }, delete: { enabled: true } };
  // JSON is YAML.
  const http = { addr: "127.0.0.1:0", ...(tls === undefined ? {} : { tls }) };
  writeFileSync(config, JSON.stringify({ version: "0.1", storage, http, ...(auth === undefined ? {} : { auth }) }));
  const child = spawn(await program(), ["serve", config], {
    stdio: ["ignore", "ignore", "pipe"],
    env: { ...process.env, OTEL_TRACES_EXPORTER: "none" },
  });
  const ended = once(child, "close");
  const host = await addressIn(child.stderr);
  // Nobody reads its log, and it must not wait for somebody to.
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
  let said = "";
  for await (const line of createInterface({ input: log })) {
    said += `${line}\n`;
    const host = /listening on (127\.0\.0\.1:\d+)/.exec(line)?.[1];
    if (host !== undefined) return host;
  }
  throw new Error(`docker-registry does not start:\n${said}`);
}

/** Installed, or the Debian package unpacked beside nats-server: its installation would start a registry for everybody. */
async function program(): Promise<string> {
  const path = join(folders().cache, "tools", `docker-registry-${process.arch}`);
  const [found] = [
    ...findPrograms("docker-registry"),
    ...findPrograms(`docker-registry-${process.arch}`, dirname(path)),
  ];
  if (found !== undefined) return found;
  mkdirSync(dirname(path), { recursive: true });
  const scratch = mkdtempSync(join(dirname(path), ".fetching-"));
  try {
    await aptUnpack("docker-registry", scratch);
    renameSync(join(scratch, "usr/bin/docker-registry"), path);
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
  return path;
}

/** An image of these layers (tar archives, none by default), under each of the tags; for this machine, or for another architecture. */
export async function push(
  host: string,
  repository: string,
  tags: readonly string[],
  layers: readonly Buffer[] = [],
  architecture?: string,
): Promise<void> {
  const base = `http://${host}/v2/${repository}`;
  for (const blob of [configOf(layers, architecture), ...layers]) await pushBlob(base, blob);
  for (const tag of tags) {
    const headers = { "content-type": MANIFEST_TYPE };
    await send(`${base}/manifests/${tag}`, { method: "PUT", body: manifestOf(layers, architecture), headers });
  }
}

async function pushBlob(base: string, blob: Buffer): Promise<void> {
  const begun = await send(`${base}/blobs/uploads/`, { method: "POST" });
  const upload = new URL(begun.headers.get("location") ?? "", base);
  upload.searchParams.set("digest", digestOf(blob));
  await send(upload, { method: "PUT", body: blob, headers: { "content-type": "application/octet-stream" } });
}

/** The repository, an image without layers, stays in the catalog without a tag. */
export async function untag(host: string, repository: string): Promise<void> {
  await send(`http://${host}/v2/${repository}/manifests/${digestOf(manifestOf([]))}`, { method: "DELETE" });
}

async function send(url: string | URL, init: RequestInit): Promise<Response> {
  const response = await fetch(url, init);
  if (!response.ok) throw new Error(`${init.method} ${url}: ${response.status} ${await response.text()}`);
  await response.arrayBuffer();
  return response;
}
