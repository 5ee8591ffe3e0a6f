/**
 * Bounds the store of layers: each user's part, then the whole. As in the copies of base images, files are removed below the running
 * docker-registry, which takes them for files that it never had: the layer is built and pushed again.
 */
import { readdir, rmdir } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { filesBelow, filesToRemove, limitStore, removeFile, type StoredFile } from "../docker-registry/store-limit.ts";

export interface LayerLimits {
  /** Of all users together. */
  readonly maxBytes: number;
  readonly userMaxBytes: number;
}

/** Each file of a user counts as this much at least, which bounds their number: 16 for each MiB of the quota. */
const FILE_MIN_BYTES = 64 * 1024;
/** A user who was refused gets half of the quota free, so that a larger image fits. */
const REFUSED_PART = 0.5;
/** The oldest files go before the quota is full, because the gate refuses what does not fit. */
const FULL_PART = 0.9;
/** An upload that got no byte for so long has failed: the gate closes a silent connection earlier. A blob gets its link at once. */
const UNFINISHED_MS = 10 * 60_000;

const REGISTRY = join("store", "docker", "registry", "v2");

/** Resolves to the bytes of each user, by the digest in the repository's name. Rejects when a folder cannot be read or changed. */
export async function limitLayers(
  folder: string,
  { maxBytes, userMaxBytes }: LayerLimits,
  { refused, nowMs }: { readonly refused: ReadonlySet<string>; readonly nowMs: number },
): Promise<Map<string, number>> {
  const registry = join(folder, REGISTRY);
  const blobs = await blobsIn(join(registry, "blobs"));
  const users = join(registry, "repositories", "layers");
  const usage = new Map<string, number>();
  const linked = new Set<string>();
  for (const user of await readdir(users).catch(() => [])) {
    const maxUserBytes = userMaxBytes * (refused.has(user) ? REFUSED_PART : FULL_PART);
    const kept = await limitUser(join(users, user), { blobs, maxBytes: maxUserBytes, nowMs });
    usage.set(
      user,
      kept.reduce((sum, { bytes }) => sum + bytes, 0),
    );
    for (const { path } of kept) linked.add(linkedDigest(path));
  }
  for (const [digest, { path, usedMs }] of blobs)
    if (!linked.has(digest) && nowMs - usedMs > UNFINISHED_MS) await removeFile(path);
  await limitStore([folder], maxBytes);
  return usage;
}

async function blobsIn(folder: string): Promise<Map<string, StoredFile>> {
  const blobs = new Map<string, StoredFile>();
  for await (const file of filesBelow(folder)) blobs.set(basename(dirname(file.path)), file);
  return blobs;
}

interface UserLimits {
  readonly blobs: ReadonlyMap<string, StoredFile>;
  readonly maxBytes: number;
  readonly nowMs: number;
}

/** Returns the files that stay, each with the bytes of the blob that it links. */
async function limitUser(folder: string, { blobs, maxBytes, nowMs }: UserLimits): Promise<StoredFile[]> {
  const files: StoredFile[] = [];
  for await (const { path, bytes, usedMs } of filesBelow(folder)) {
    const blob = blobs.get(linkedDigest(path));
    files.push({ path, usedMs, bytes: Math.max(bytes, FILE_MIN_BYTES) + (blob?.bytes ?? 0) });
  }
  const isUnfinished = ({ path, usedMs }: StoredFile) => path.includes("/_uploads/") && nowMs - usedMs > UNFINISHED_MS;
  const current = files.filter((file) => !isUnfinished(file));
  const removed = new Set(filesToRemove(current, maxBytes));
  for (const file of [...files.filter(isUnfinished), ...removed]) await removeWithFolders(file.path, folder);
  return current.filter((file) => !removed.has(file));
}

/** A repository has a blob by a link in its `_layers` or `_manifests/revisions`. Empty for any other file. */
const linkedDigest = (path: string): string =>
  /\/(?:_layers|_manifests\/revisions)\/sha256\/([0-9a-f]{64})\/link$/.exec(path)?.[1] ?? "";

async function removeWithFolders(path: string, top: string): Promise<void> {
  await removeFile(path);
  for (let folder = dirname(dirname(path)); folder.length > top.length; folder = dirname(folder)) {
    const isEmpty = await rmdir(folder).then(
      () => true,
      () => false,
    );
    if (!isEmpty) return;
  }
}
