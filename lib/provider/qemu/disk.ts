/** The disk image of a builder: made once per recipe and agent, kept in the cache folder. */
import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { CbError } from "../../core/errors.ts";
import { isMade, type MakingProgress, makeOnce, type Phase } from "../sandbox/make-once.ts";
import { ensureRootfs } from "../sandbox/rootfs.ts";
import { DISK_FOLDER } from "../sandbox/scripts.ts";

export interface DiskImageOptions {
  /** The user's cache folder for this program. */
  readonly cacheDir: string;
  /** Goes to /opt/container-builder/agent.mjs; run by Node, or by what its first line names after `#!`. */
  readonly agentFile: string;
  readonly onProgress?: (progress: MakingProgress) => void;
  readonly signal?: AbortSignal;
}

const MAKE_DISK = join(DISK_FOLDER, "make-disk.sh");
/** Files that say what comes after it, or by whom it is called. */
const NOT_OF_THE_LAYER = ["make-disk.sh", "main.ts"];

/** Lines of mmdebstrap, and how much of the time had passed when each came (16 s in all, 2 cores, near mirror). */
const LAYER_PHASES: readonly Phase[] = [
  [/running apt-get update/, "reading package lists", 5],
  [/downloading packages/, "downloading packages", 30],
  [/extracting archives/, "installing packages", 40],
  [/running --customize-hook/, "downloading the kernel", 60],
  [/success in/, "making the initramfs", 75],
];

/**
 * The path of a raw, sparse image that boots from its BIOS disk, made first if it is not there. It is for reading: a machine
 * gets a copy or an overlay, as large as its disk is to be. Where only the agent is new it takes some seconds. Two callers at
 * once make one. Needs an x86_64 host. Throws CbError "infrastructure" with the last lines of what failed, "config" where the
 * host is not one that can make it, or "cancelled" when `signal` aborts.
 */
export async function ensureDiskImage({ cacheDir, agentFile, onProgress, signal }: DiskImageOptions): Promise<string> {
  if (process.arch !== "x64") {
    throw new CbError("config", `the disk image can be made on x86_64 only, this is ${process.arch}`);
  }
  const rootfs = await ensureRootfs({ cacheDir, ...(onProgress && { onProgress }), ...(signal && { signal }) });
  const cache = join(cacheDir, "disk");
  const layerKey = await layerKeyFor(rootfs);
  const layer = join(cache, layerKey);
  const shared = { cache, onProgress, signal };
  if (!(await isMade(cache, layerKey))) {
    const layered = { what: "the builder's kernel and boot loader", key: layerKey, phases: LAYER_PHASES };
    await makeOnce({ ...shared, ...layered, script: [join(DISK_FOLDER, "make-layer.sh"), rootfs] });
  }
  const diskKey = await diskKeyFor(layerKey, agentFile);
  const disk = join(cache, diskKey, "disk.raw");
  if (await isMade(cache, diskKey)) return disk;
  onProgress?.({ phase: "writing the disk image", percent: 90, elapsedMs: 0 });
  const written = { what: "the builder's disk image", key: diskKey, phases: [] };
  await makeOnce({ ...shared, ...written, script: [MAKE_DISK, layer, rootfs, agentFile, diskKey] });
  return disk;
}

/** Changes when the recipe of the layer does, or the tree below it, whose folder is named by its own key. */
async function layerKeyFor(rootfs: string): Promise<string> {
  const found = await readdir(DISK_FOLDER, { recursive: true, withFileTypes: true });
  const paths = found.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  const files = paths.filter((path) => !NOT_OF_THE_LAYER.includes(basename(path))).sort();
  return await keyOf(basename(dirname(rootfs)), files);
}

/** Of names and contents, 16 hexadecimal digits. */
async function keyOf(start: string, files: readonly string[]): Promise<string> {
  const hash = createHash("sha256").update(start);
  for (const file of files) hash.update(`\n${basename(file)}\n`).update(await readFile(file));
  return hash.digest("hex").slice(0, 16);
}

async function diskKeyFor(layerKey: string, agentFile: string): Promise<string> {
  try {
    return await keyOf(layerKey, [MAKE_DISK, agentFile]);
  } catch (cause) {
    throw new CbError("config", `cannot read the agent ${agentFile}`, { hint: "npm run build makes it", cause });
  }
}
