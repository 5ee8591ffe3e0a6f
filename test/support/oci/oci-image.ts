/** The parts of an image (OCI image specification), and image archives in the formats of other tools. */
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";

export const MANIFEST_TYPE = "application/vnd.oci.image.manifest.v1+json";
const CONFIG_TYPE = "application/vnd.oci.image.config.v1+json";
const LAYER_TYPE = "application/vnd.oci.image.layer.v1.tar";

export const digestOf = (bytes: Buffer | string): string =>
  `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
const descriptor = (mediaType: string, blob: Buffer) => ({ mediaType, digest: digestOf(blob), size: blob.length });

/** This machine's architecture, in the notation of images. */
const OWN_ARCHITECTURE = { arm64: "arm64" }[process.arch as string] ?? "amd64";

export function configOf(layers: readonly Buffer[], architecture = OWN_ARCHITECTURE): Buffer {
  const rootfs = { type: "layers", diff_ids: layers.map(digestOf) };
  // buildah uses no cached layer upon an image that has more layers than entries with a time in its history.
  const history = layers.map((layer) => ({ created: "2026-01-01T00:00:00Z", created_by: digestOf(layer) }));
  return Buffer.from(JSON.stringify({ architecture, os: "linux", rootfs, history, config: {} }));
}

export function manifestOf(layers: readonly Buffer[], architecture = OWN_ARCHITECTURE): string {
  const parts = layers.map((layer) => descriptor(LAYER_TYPE, layer));
  const config = descriptor(CONFIG_TYPE, configOf(layers, architecture));
  return JSON.stringify({ schemaVersion: 2, mediaType: MANIFEST_TYPE, config, layers: parts });
}

export const INDEX_TYPE = "application/vnd.oci.image.index.v1+json";

export interface Variant {
  readonly layers: readonly Buffer[];
  /** Absent: none. */
  readonly variant?: string;
}

/** An image index. All its images are for this machine's architecture. */
export function indexOf(images: readonly Variant[]): string {
  const manifests = images.map(({ layers, variant }) => ({
    ...descriptor(MANIFEST_TYPE, Buffer.from(manifestOf(layers))),
    platform: { architecture: OWN_ARCHITECTURE, os: "linux", ...(variant === undefined ? {} : { variant }) },
  }));
  return JSON.stringify({ schemaVersion: 2, mediaType: INDEX_TYPE, manifests });
}

/** The manifest of a SIF in a registry, with its config. */
export function sifManifest(sif: Buffer): { config: Buffer; manifest: string } {
  const config = Buffer.from("{}");
  const layer = descriptor("application/vnd.sylabs.sif.layer.v1.sif", sif);
  const parts = {
    config: descriptor("application/vnd.sylabs.sif.config.v1+json", config),
    layers: [{ ...layer, annotations: { "org.opencontainers.image.title": "image.sif" } }],
  };
  return { config, manifest: JSON.stringify({ schemaVersion: 2, mediaType: MANIFEST_TYPE, ...parts }) };
}

/** In the format of `skopeo copy … oci-archive:`. */
export function writeOciArchive(path: string, layers: readonly Buffer[]): void {
  const manifest = Buffer.from(manifestOf(layers));
  const blobs = [manifest, configOf(layers), ...layers];
  writeTar(path, {
    "oci-layout": '{"imageLayoutVersion":"1.0.0"}',
    "index.json": JSON.stringify({ schemaVersion: 2, manifests: [descriptor(MANIFEST_TYPE, manifest)] }),
    ...Object.fromEntries(blobs.map((blob) => [`blobs/${digestOf(blob).replace(":", "/")}`, blob])),
  });
}

/** In the format of `docker save`. */
export function writeDockerArchive(path: string, layers: readonly Buffer[]): void {
  const names = layers.map((_, n) => `${n}/layer.tar`);
  writeTar(path, {
    "manifest.json": JSON.stringify([{ Config: "config.json", RepoTags: ["site/busybox:1"], Layers: names }]),
    "config.json": configOf(layers),
    ...Object.fromEntries(layers.map((layer, n) => [`${n}/layer.tar`, layer])),
  });
}

function writeTar(path: string, files: Readonly<Record<string, Buffer | string>>): void {
  const folder = mkdtempSync(join(tmpdir(), "cb-archive-"));
  try {
    for (const [name, content] of Object.entries(files)) {
      mkdirSync(dirname(join(folder, name)), { recursive: true });
      writeFileSync(join(folder, name), content);
    }
    // Archive folders, not files, as the tools do: apptainer does not create a folder that is not in the archive.
    const names = new Set(Object.keys(files).map((name) => name.split("/")[0] ?? ""));
    execFileSync("tar", ["-C", folder, "-cf", path, ...names]);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
