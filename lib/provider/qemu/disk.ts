/** The disk image of a builder: made once per recipe and agent, kept in the cache folder. */
import { createHash } from "node:crypto";
import { readdir, readFile, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { CbError } from "../../errors.ts";
import { DISK_FOLDER } from "../sandbox/infra.ts";
import { type MakingProgress, makeOnce, type Phase } from "../sandbox/make-once.ts";
import { ensureRootfs } from "../sandbox/rootfs.ts";

export interface DiskImageOptions {
  /** The user's cache folder for this program. */
  readonly cacheDir: string;
  /** Goes to /opt/container-builder/agent.mjs; run by Node, or by what its first line names after `#!`. */
  readonly agentFile: string;
  readonly onProgress?: (progress: MakingProgress) => void;
  readonly signal?: AbortSignal;
}

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
  const layerKey = await recipeKey(rootfs);
  const layer = join(cache, layerKey);
  const ensure = join(DISK_FOLDER, "ensure.sh");
  const shared = { cache, onProgress, signal };
  if (!(await isThere(layer))) {
    const script = [ensure, cache, layerKey, join(DISK_FOLDER, "make-layer.sh"), rootfs];
    await makeOnce({ ...shared, what: "the builder's kernel and boot loader", script, phases: LAYER_PHASES });
  }
  const diskKey = `${layerKey}-${await agentKey(agentFile)}`;
  const disk = join(cache, diskKey, "disk.raw");
  if (await isThere(disk)) return disk;
  const script = [ensure, cache, diskKey, join(DISK_FOLDER, "make-disk.sh"), layer, rootfs, agentFile, diskKey];
  onProgress?.({ phase: "writing the disk image", percent: 90, elapsedMs: 0 });
  await makeOnce({ ...shared, what: "the builder's disk image", script, phases: [] });
  return disk;
}

/** Changes when the recipe or the tree below does, whose folder is named by its own key. */
async function recipeKey(rootfs: string): Promise<string> {
  const hash = createHash("sha256").update(basename(dirname(rootfs)));
  const names = await readdir(DISK_FOLDER, { recursive: true, withFileTypes: true });
  const files = names.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  for (const file of files.sort()) {
    hash.update(`\n${file.slice(DISK_FOLDER.length)}\n`).update(await readFile(file));
  }
  return hash.digest("hex").slice(0, 16);
}

async function agentKey(agentFile: string): Promise<string> {
  const content = await readFile(agentFile).catch((cause) => {
    throw new CbError("config", `cannot read the agent ${agentFile}`, { hint: "npm run build makes it", cause });
  });
  return createHash("sha256").update(content).digest("hex").slice(0, 8);
}

async function isThere(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined)) !== undefined;
}
