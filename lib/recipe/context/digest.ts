/**
 * A digest of a context, by which a build with the same files is found again: names, kinds, permissions, owners, contents and the
 * texts of links. Times are left out, as docker leaves them out: a fresh checkout has the same digest. The files are read once for it,
 * and tar reads them again when they are sent; docs/performance.md has what that costs.
 */
import { createHash, type Hash } from "node:crypto";
import { type BigIntStats, closeSync, constants, lstatSync, openSync, readSync, statSync } from "node:fs";
import { setImmediate as nextTurn } from "node:timers/promises";
import { type BytePath, toBytes } from "./byte-path.ts";
import type { Collection } from "./collection.ts";
import { linkTarget, orUnreadable } from "./file-access.ts";
import type { Context } from "./find.ts";

const BUFFER_BYTES = 1024 * 1024;
/** As in findContext(): signals and messages are handled in between. */
const TURN_MS = 20;

export interface ContextDigest {
  /** In hex. The same for the same files, in whatever order a disk lists them. */
  readonly digest: string;
  /** Of the files as they are on the disk now: see contextStamp(). */
  readonly stamp: string;
}

/** Throws CbError "usage" for a file that is deleted or cannot be read, and the reason of `signal`. */
export async function contextDigest(context: Context, signal?: AbortSignal): Promise<ContextDigest> {
  const stamp = createHash("sha256");
  const entries: Buffer[] = [];
  const buffer = Buffer.allocUnsafe(BUFFER_BYTES);
  let turnEndsMs = performance.now() + TURN_MS;
  const pause = async () => {
    signal?.throwIfAborted();
    if (performance.now() <= turnEndsMs) return;
    await nextTurn();
    turnEndsMs = performance.now() + TURN_MS;
  };
  for (const { as, paths } of context.parts) {
    for (const path of paths) {
      const stat = statOf(path, as);
      addStamp(stamp, stat);
      const hash = createHash("sha256").update(headOf(path, stat));
      if (stat.isFile()) for (const _ of contentOf(path, buffer, hash)) await pause();
      entries.push(hash.digest());
      await pause();
    }
  }
  const all = createHash("sha256").update(JSON.stringify([context.directory, entries.length]));
  for (const entry of entries.sort(Buffer.compare)) all.update(entry);
  return { digest: all.digest("hex"), stamp: stamp.digest("hex") };
}

/**
 * Changes with each change of a file: made of sizes, inodes and times, without the contents. It is compared after the files were
 * packed, so that a digest never stands for other files than those that were sent.
 */
export async function contextStamp(context: Context, signal?: AbortSignal): Promise<string> {
  const stamp = createHash("sha256");
  let turnEndsMs = performance.now() + TURN_MS;
  for (const { as, paths } of context.parts) {
    for (const path of paths) {
      addStamp(stamp, statOf(path, as));
      signal?.throwIfAborted();
      if (performance.now() <= turnEndsMs) continue;
      await nextTurn();
      turnEndsMs = performance.now() + TURN_MS;
    }
  }
  return stamp.digest("hex");
}

/** As tar will store it: `followed` as the target of a link. */
function statOf(path: BytePath, as: Collection["as"]): BigIntStats {
  const read = as === "followed" ? statSync : lstatSync;
  return orUnreadable(path, () => read(toBytes(path), { bigint: true }));
}

const addStamp = (hash: Hash, { dev, ino, mode, size, mtimeNs, ctimeNs }: BigIntStats): void =>
  void hash.update(`${dev} ${ino} ${mode} ${size} ${mtimeNs} ${ctimeNs}\n`);

/** A NUL ends each part that may hold any other byte. The size of a folder depends on the file system. */
function headOf(path: BytePath, stat: BigIntStats): Buffer {
  const size = stat.isFile() ? stat.size : 0n;
  const target = stat.isSymbolicLink() ? linkTarget(path) : "";
  return Buffer.from(`${stat.mode} ${stat.uid} ${stat.gid} ${size}\0${path}\0${target}\0`, "latin1");
}

/** Yields after each part. */
function* contentOf(path: BytePath, buffer: Buffer, hash: Hash): Generator<void> {
  const file = orUnreadable(path, () => openSync(toBytes(path), constants.O_RDONLY | constants.O_NONBLOCK));
  try {
    for (;;) {
      const read = orUnreadable(path, () => readSync(file, buffer, 0, buffer.length, null));
      if (read === 0) return;
      hash.update(buffer.subarray(0, read));
      yield;
    }
  } finally {
    closeSync(file);
  }
}
