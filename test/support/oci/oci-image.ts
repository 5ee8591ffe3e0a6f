/** The parts of an image after the OCI image specification, and archives of it as other tools write them. */
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
const described = (mediaType: string, blob: Buffer) => ({ mediaType, digest: digestOf(blob), size: blob.length });

/** What this machine is, as images have it. */
const OWN = { arm64: "arm64" }[process.arch as string] ?? "amd64";

export function configOf(layers: readonly Buffer[], architecture = OWN): Buffer {
  const rootfs = { type: "layers", diff_ids: layers.map(digestOf) };
  return Buffer.from(JSON.stringify({ architecture, os: "linux", rootfs, config: {} }));
}

export function manifestOf(layers: readonly Buffer[], architecture = OWN): string {
  const parts = layers.map((layer) => described(LAYER_TYPE, layer));
  const config = described(CONFIG_TYPE, configOf(layers, architecture));
  return JSON.stringify({ schemaVersion: 2, mediaType: MANIFEST_TYPE, config, layers: parts });
}

/** As `skopeo copy … oci-archive:` writes it. */
export function writeOciArchive(path: string, layers: readonly Buffer[]): void {
  const manifest = Buffer.from(manifestOf(layers));
  const blobs = [manifest, configOf(layers), ...layers];
  writeTar(path, {
    "oci-layout": '{"imageLayoutVersion":"1.0.0"}',
    "index.json": JSON.stringify({ schemaVersion: 2, manifests: [described(MANIFEST_TYPE, manifest)] }),
    ...Object.fromEntries(blobs.map((blob) => [`blobs/${digestOf(blob).replace(":", "/")}`, blob])),
  });
}

/** As `docker save` writes it. */
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
    // By folders, as the tools do: apptainer unpacks none that is not in the archive.
    const names = new Set(Object.keys(files).map((name) => name.split("/")[0] ?? ""));
    execFileSync("tar", ["-C", folder, "-cf", path, ...names]);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
