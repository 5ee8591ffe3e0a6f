/** Makes the disk image of a builder once per recipe and agent, in the cache folder. */
import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { CbError } from "../../core/errors.ts";
import { isMade, type MakingProgress, makeOnce, type Phase } from "../sandbox/make-once.ts";
import { ensureRootfs } from "../sandbox/rootfs.ts";
import { BOOT_FOLDER, DISK_FOLDER } from "../sandbox/scripts.ts";

export interface DiskImageOptions {
  /** The user's cache folder for this program. */
  readonly cacheDir: string;
  /** Copied to /opt/container-builder/agent.mjs. Node runs it, or the program that its first line names after `#!`. */
  readonly agentFile: string;
  /** As in RootfsOptions. */
  readonly edition?: string;
  readonly onProgress?: (progress: MakingProgress) => void;
  readonly signal?: AbortSignal;
}

const MAKE_DISK = join(DISK_FOLDER, "make-disk.sh");
const WRITE_DISK = join(BOOT_FOLDER, "disk.sh");
/** Files of the folders that the layer does not depend on: the scripts of the next step, and the program that calls both. */
const NOT_IN_LAYER_KEY = ["make-disk.sh", "disk.sh", "main.ts"];

/** Lines of mmdebstrap, and the percentage of the time after which it prints each (16 s in all on 2 cores with a near mirror). */
const LAYER_PHASES: readonly Phase[] = [
  [/running apt-get update/, "reading package lists", 5],
  [/downloading packages/, "downloading packages", 30],
  [/extracting archives/, "installing packages", 40],
  [/running --customize-hook/, "downloading the kernel", 60],
  [/success in/, "making the initramfs", 75],
];

/**
 * Returns the path of a raw, sparse image that boots by BIOS, and makes the image first when the cache does not have it. The
 * image is read-only: each machine gets a copy or an overlay of the size of its disk. When only the agent has changed, this
 * takes some seconds. Concurrent callers make one image. Needs an x86_64 host. Throws CbError "infrastructure" with the last
 * lines that the failed script printed, "config" when this host cannot make the image, or "cancelled" when `signal` aborts.
 */
export async function ensureDiskImage(options: DiskImageOptions): Promise<string> {
  const { cacheDir, agentFile, edition, onProgress, signal } = options;
  if (process.arch !== "x64") {
    throw new CbError("config", `the disk image can be made on x86_64 only; this machine is ${process.arch}`);
  }
  const rootfs = await ensureRootfs({
    cacheDir,
    ...(edition !== undefined && { edition }),
    ...(onProgress && { onProgress }),
    ...(signal && { signal }),
  });
  const cache = join(cacheDir, "disk");
  const layerKey = await layerKeyFor(rootfs);
  const layer = join(cache, layerKey);
  const shared = { cache, onProgress, signal };
  if (!(await isMade(cache, layerKey))) {
    const layered = { product: "the builder's kernel and boot loader", key: layerKey, phases: LAYER_PHASES };
    await makeOnce({ ...shared, ...layered, script: [join(DISK_FOLDER, "make-layer.sh"), rootfs] });
  }
  const diskKey = await diskKeyFor(layerKey, agentFile);
  const disk = join(cache, diskKey, "disk.raw");
  if (await isMade(cache, diskKey)) return disk;
  onProgress?.({ phase: "writing the disk image", percent: 90, elapsedMs: 0 });
  const written = { product: "the builder's disk image", key: diskKey, phases: [] };
  await makeOnce({ ...shared, ...written, script: [MAKE_DISK, layer, rootfs, agentFile, diskKey] });
  return disk;
}

/** Changes with the recipe of the layer and with the root file system below it, because the key of that is the name of its folder. */
async function layerKeyFor(rootfs: string): Promise<string> {
  const list = (folder: string) => readdir(folder, { recursive: true, withFileTypes: true });
  const found = [...(await list(DISK_FOLDER)), ...(await list(BOOT_FOLDER))];
  const paths = found.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  const files = paths.filter((path) => !NOT_IN_LAYER_KEY.includes(basename(path))).sort();
  return await keyOf(basename(dirname(rootfs)), files);
}

/** The first 16 hexadecimal digits of the SHA-256 of `start` and of the files' names and contents. */
async function keyOf(start: string, files: readonly string[]): Promise<string> {
  const hash = createHash("sha256").update(start);
  for (const file of files) hash.update(`\n${basename(file)}\n`).update(await readFile(file));
  return hash.digest("hex").slice(0, 16);
}

async function diskKeyFor(layerKey: string, agentFile: string): Promise<string> {
  try {
    return await keyOf(layerKey, [MAKE_DISK, WRITE_DISK, agentFile]);
  } catch (cause) {
    throw new CbError("config", `cannot read the agent ${agentFile}`, { hint: "make it with: npm run build", cause });
  }
}
