/** Makes the root file systems of sandboxes once per recipe and per range of subordinate ids, in the cache folder. */
import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { CbError } from "../../core/errors.ts";
import { isMade, type MakingProgress, makeOnce, type Phase } from "./make-once.ts";
import { IMAGE_FOLDER, MACHINE_FOLDER } from "./scripts.ts";
import { ownRanges } from "./subordinate-ids.ts";

type Purpose = "builder" | "machine";

export interface RootfsOptions {
  /** The user's cache folder for this program. */
  readonly cacheDir: string;
  /** `builder`, the default, has the packages that a build needs; `machine` has QEMU, which runs a virtual machine. */
  readonly purpose?: Purpose;
  /** Part of the key: makes another root file system of the same recipe, with the packages that the mirror has then. */
  readonly edition?: string;
  readonly onProgress?: (progress: MakingProgress) => void;
  readonly signal?: AbortSignal;
}

const PACKAGE_LIST = "packages.txt";

/** Lines of mmdebstrap, and the percentage of the time after which it prints each (24 s in all on 2 cores with a near mirror). */
const PHASES: readonly Phase[] = [
  [/chroot architecture/, "starting", 0],
  [/running apt-get update/, "reading package lists", 2],
  [/downloading packages/, "downloading packages", 25],
  [/extracting archives/, "extracting the base system", 32],
  [/installing essential/, "installing the base system", 55],
  [/installing remaining/, "installing packages", 70],
  [/cleaning package lists/, "cleaning up", 97],
];

const PACKAGES: Readonly<Record<Purpose, string>> = {
  builder: join(IMAGE_FOLDER, PACKAGE_LIST),
  machine: join(MACHINE_FOLDER, PACKAGE_LIST),
};

/**
 * Returns the path of the rootfs, and makes it first when the cache does not have it (about half a minute). Concurrent callers
 * make one: the others wait. An interrupted call leaves nothing in the cache. Throws CbError "infrastructure" with the last
 * lines that the failed script printed, "config" when no Debian archive is known, or "cancelled" when `signal` aborts.
 */
export async function ensureRootfs(options: RootfsOptions): Promise<string> {
  const { cacheDir, purpose = "builder", edition, onProgress, signal } = options;
  const cache = join(cacheDir, "rootfs");
  const packages = PACKAGES[purpose];
  const recipe = await recipeKey(packages);
  const key = edition === undefined ? recipe : `${recipe}-${edition}`;
  const rootfs = join(cache, key, "rootfs");
  if (await isMade(cache, key)) return rootfs;
  await makeOnce({
    product: `the ${purpose} rootfs`,
    cache,
    key,
    script: [join(IMAGE_FOLDER, "make-rootfs.sh"), packages, key],
    phases: PHASES,
    onProgress,
    signal,
  });
  if (await isMade(cache, key)) return rootfs;
  throw new CbError("infrastructure", `the ${purpose} rootfs was made, but is not at ${rootfs}`);
}

/** Changes with the recipe, with the architecture, and with the subordinate ids that own the tree. */
async function recipeKey(packages: string): Promise<string> {
  const hash = createHash("sha256").update(process.arch);
  hash.update(JSON.stringify((await ownRanges()).map((range) => range?.first)));
  const scripts = (await readdir(IMAGE_FOLDER)).filter((name) => name !== PACKAGE_LIST).sort();
  for (const file of [...scripts.map((name) => join(IMAGE_FOLDER, name)), packages]) {
    hash.update(`\n${basename(file)}\n`).update(await readFile(file));
  }
  return hash.digest("hex").slice(0, 16);
}
