/** Fetches the packed tree of a lease before the build begins. A tree that is missing, damaged or slow is left out. */
import { createWriteStream } from "node:fs";
import { rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { messageOf } from "../../lib/core/errors.ts";
import type { JetStreamAccess } from "../../lib/nats/jetstream/api.ts";
import type { BootstrapTree } from "../../lib/protocol/builder-messages.ts";
import type { StoredObject } from "../../lib/protocol/object-layout.ts";
import { bucket } from "../../lib/protocol/subjects.ts";
import { getObject, isSameDigest } from "../../lib/transfer/get.ts";
import { squashfsOffset } from "./squashfs-offset.ts";
import { bootstrapWrapper } from "./wrapper.ts";

/**
 * A tree of 110 MB (trixie with ca-certificates and curl) comes in a second over a gigabit line, and in 11 s at 10 MB/s. debootstrap
 * takes 20 to 40 s, so a line that is slower than this limit gains little.
 */
const FETCH_MS = 15_000;

/** The architecture that apptainer (1.4.5) passes on to debootstrap: Go's name of it, by Node's. */
const ARCHITECTURES: Partial<Record<NodeJS.Architecture, string>> = { x64: "amd64", arm64: "arm64", ppc64: "ppc64le" };

export interface FetchTreeOptions {
  readonly tree: BootstrapTree;
  readonly js: JetStreamAccess;
  /** A folder for the file. */
  readonly folder: string;
  /** The folder of programs that override the builder's own. */
  readonly programs: string;
  /** The program there that sets the architecture for debootstrap, if the build has one (emulation.ts). */
  readonly emulates: boolean;
  readonly signal: AbortSignal;
}

/** Resolves to the reason when the build goes on without the tree. Throws only the reason of `signal`. */
export async function fetchTree(options: FetchTreeOptions): Promise<string | undefined> {
  const { tree, folder, programs, emulates, signal } = options;
  const path = join(folder, "bootstrap.sif");
  try {
    await receive(options, path);
    const offset = await squashfsOffset(path);
    const arch = ARCHITECTURES[process.arch];
    if (offset === undefined || arch === undefined) throw new Error(`no tree for ${process.arch} is in the image`);
    const own = join(programs, "debootstrap");
    const debootstrap = emulates ? join(programs, "debootstrap-emulated") : "/usr/sbin/debootstrap";
    if (emulates) await rename(own, debootstrap);
    await writeFile(own, bootstrapWrapper({ tree, path, offset, debootstrap, arch }), { mode: 0o755 });
    return undefined;
  } catch (error) {
    await rm(path, { force: true });
    signal.throwIfAborted();
    return messageOf(error);
  }
}

/** Throws unless the file has the bytes that the lease names. */
async function receive({ tree, js, signal }: FetchTreeOptions, path: string): Promise<void> {
  const limited = AbortSignal.any([signal, AbortSignal.timeout(FETCH_MS)]);
  let stored: StoredObject | undefined;
  const chunks = async function* (): AsyncGenerator<Uint8Array> {
    stored = yield* getObject(js, { bucket: bucket(tree.build), name: "image", signal: limited });
  };
  await pipeline(chunks, createWriteStream(path, { flags: "wx", mode: 0o600 }), { signal: limited });
  if (stored?.sizeBytes !== tree.bytes || !isSameDigest(stored.digest, tree.digest))
    throw new Error("the stored tree is not the one that the queue names");
}
