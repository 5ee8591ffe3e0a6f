/**
 * The limit of nats-server for all its streams (`max_file`), from the space on its disk. The server reserves the `max_bytes` of
 * each stream from it and refuses a new stream beyond it (error 10047), so that the disk never becomes full.
 *
 * A full disk is worse than a refusal (measured with a store on 60 MB): 2.9.10 answers no call of JetStream again until it is
 * restarted, 2.15.1 stores nothing more in a stream that failed once until it is restarted, 2.10.27 recovers by itself.
 */
import type { Dirent } from "node:fs";
import { readdir, readFile, stat, statfs } from "node:fs/promises";
import { join } from "node:path";
import * as v from "valibot";

const MiB = 1024 ** 2;

/** Log files of the server (two of 64 MiB), account JWTs, and the indexes and deleted records of streams. */
const SPARE_BYTES = 256 * MiB;
/** On a disk that other programs write to as well. */
const SPARE_FRACTION = 0.05;
/** On a small disk the streams get the larger part. */
const SPARE_MAX_FRACTION = 0.25;
/** 0 would let the server choose a limit. */
const LIMIT_MIN_BYTES = MiB;

export interface StorageUse {
  /** Size of the file system. */
  readonly totalBytes: number;
  /** Space that an ordinary user can still write. */
  readonly freeBytes: number;
  /** Space that the stored streams take. */
  readonly usedBytes: number;
  /** The sum of the `max_bytes` of the stored streams. */
  readonly reservedBytes: number;
}

/**
 * At most `wantedBytes`, and what the disk has for streams less a spare part. Never less than what the stored streams have
 * reserved: below that, nats-server 2.9 and 2.10 do not open the streams that exceed it ("Error recreating stream").
 */
export function storageLimit(
  { totalBytes, freeBytes, usedBytes, reservedBytes }: StorageUse,
  wantedBytes: number,
): number {
  const spareBytes = Math.min(Math.max(SPARE_BYTES, totalBytes * SPARE_FRACTION), totalBytes * SPARE_MAX_FRACTION);
  const availableBytes = Math.floor(freeBytes + usedBytes - spareBytes);
  return Math.max(reservedBytes, Math.min(wantedBytes, availableBytes), LIMIT_MIN_BYTES);
}

/** Throws a system error when the folder cannot be read. */
export async function storageUse(dataDir: string): Promise<StorageUse> {
  const { bsize, blocks, bavail } = await statfs(dataDir);
  let usedBytes = 0;
  let reservedBytes = 0;
  for (const stream of await streamFolders(join(dataDir, "jetstream"))) {
    const stored = await storedBytes(join(stream, "msgs"));
    usedBytes += stored;
    reservedBytes += (await maxBytesOf(stream)) ?? stored;
  }
  return { totalBytes: blocks * bsize, freeBytes: bavail * bsize, usedBytes, reservedBytes };
}

/** `jetstream/<account>/streams/<stream>`: the layout of 2.9 to 2.15. */
async function streamFolders(store: string): Promise<string[]> {
  const found: string[] = [];
  for (const account of await entriesOf(store)) {
    const streams = join(store, account.name, "streams");
    for (const stream of await entriesOf(streams)) if (stream.isDirectory()) found.push(join(streams, stream.name));
  }
  return found;
}

async function storedBytes(folder: string): Promise<number> {
  const files = await entriesOf(folder);
  const sizes = files.map(async ({ name }) => (await stat(join(folder, name)).catch(() => undefined))?.size ?? 0);
  return (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0);
}

const metaSchema = v.object({ max_bytes: v.number() });

/** Undefined for a stream without a limit, and for a folder without a readable description, which the server ignores. */
async function maxBytesOf(stream: string): Promise<number | undefined> {
  try {
    const { max_bytes } = v.parse(metaSchema, JSON.parse(await readFile(join(stream, "meta.inf"), "utf8")));
    return max_bytes > 0 ? max_bytes : undefined;
  } catch {
    return undefined;
  }
}

/** Empty for a folder that does not exist, or is not one. */
const entriesOf = (folder: string): Promise<Dirent[]> => readdir(folder, { withFileTypes: true }).catch(() => []);
