/** Makes the disk image of a site's hosts once per recipe and server package, in the cache folder. */
import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { join, relative } from "node:path";
import { CbError, messageOf } from "../../../lib/core/errors.ts";
import { isMade, type MakingProgress, makeOnce, type Phase } from "../../../lib/provider/sandbox/make-once.ts";
import { BOOT_FOLDER, DISK_FOLDER, HOST_FOLDER } from "../../../lib/provider/sandbox/scripts.ts";
import { ownRanges } from "../../../lib/provider/sandbox/subordinate-ids.ts";

export interface HostImageOptions {
  /** The user's cache folder for this program. */
  readonly cacheDir: string;
  /** The server package, a .deb file for amd64. */
  readonly packageFile: string;
  readonly onProgress?: (progress: MakingProgress) => void;
  readonly signal?: AbortSignal;
}

const MAKE_BASE = join(HOST_FOLDER, "make-base.sh");
const MAKE_HOST = join(HOST_FOLDER, "make-host.sh");
const WRITE_DISK = join(BOOT_FOLDER, "disk.sh");
/** A builder and a host interpret a cloud's network metadata by one program. */
const NETWORK = join(DISK_FOLDER, "guest", "usr", "lib", "container-builder", "network.jq");

/** Lines of mmdebstrap, and the percentage of the time after which it prints each (45 s in all on 2 busy cores with a near mirror). */
const BASE_PHASES: readonly Phase[] = [
  [/running apt-get update/, "reading package lists", 2],
  [/downloading packages/, "downloading packages", 15],
  [/extracting archives/, "installing the base system", 25],
  [/installing remaining/, "installing packages", 40],
  [/running --customize-hook/, "downloading the kernel", 60],
  [/success in/, "making the initramfs", 75],
];

/**
 * Returns the path of a raw, sparse image that boots by BIOS, and makes the image first when the cache does not have it. The image
 * has no configuration and no secret. Two images of one day, from one mirror and one package, are the same. Concurrent callers
 * make one image. Needs an x86_64 host. Throws CbError "infrastructure" with the last lines that the failed script printed,
 * "config" when this host cannot make the image, "usage" when the package cannot be read, or "cancelled" when `signal` aborts.
 */
export async function ensureHostImage({
  cacheDir,
  packageFile,
  onProgress,
  signal,
}: HostImageOptions): Promise<string> {
  if (process.arch !== "x64") {
    throw new CbError("config", `a host's image can be made on x86_64 only; this machine is ${process.arch}`);
  }
  const serverPackage = await readPackage(packageFile);
  const cache = join(cacheDir, "host");
  const shared = { cache, onProgress, signal };
  const baseFiles = [MAKE_BASE, join(HOST_FOLDER, "packages.txt"), ...(await filesIn(BOOT_FOLDER))];
  const ids = JSON.stringify((await ownRanges()).map((range) => range?.first));
  const baseKey = await keyOf(
    ids,
    baseFiles.filter((file) => file !== WRITE_DISK),
  );
  if (!(await isMade(cache, baseKey))) {
    await makeOnce({
      ...shared,
      product: "the host's base system",
      key: baseKey,
      phases: BASE_PHASES,
      script: [MAKE_BASE],
    });
  }
  const hostFiles = [MAKE_HOST, WRITE_DISK, NETWORK, ...(await filesIn(join(HOST_FOLDER, "guest")))];
  const hostKey = await keyOf(`${baseKey} ${sha256(serverPackage)}`, hostFiles);
  const disk = join(cache, hostKey, "disk.raw");
  if (await isMade(cache, hostKey)) return disk;
  onProgress?.({ phase: "installing the server package and writing the disk", percent: 85, elapsedMs: 0 });
  const script = [MAKE_HOST, join(cache, baseKey), packageFile, hostKey] as const;
  await makeOnce({ ...shared, product: "the host's disk image", key: hostKey, phases: [], script });
  return disk;
}

async function readPackage(file: string): Promise<Uint8Array> {
  const hint = "give the server package, container-builder-server_VERSION_amd64.deb";
  const content = await readFile(file).catch((cause: unknown) => {
    throw new CbError("usage", `cannot read the package ${file}: ${messageOf(cause)}`, { hint, cause });
  });
  // deb(5): an ar archive.
  if (content.subarray(0, 8).toString("latin1") !== "!<arch>\n") {
    throw new CbError("usage", `${file} is not a Debian package`, { hint });
  }
  return content;
}

async function filesIn(folder: string): Promise<string[]> {
  const found = await readdir(folder, { recursive: true, withFileTypes: true });
  return found.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
}

/** The first 16 hexadecimal digits of the SHA-256 of `start` and of the files' names and contents. */
async function keyOf(start: string, files: readonly string[]): Promise<string> {
  const hash = createHash("sha256").update(start);
  for (const file of [...files].sort()) {
    hash.update(`\n${relative(HOST_FOLDER, file)}\n`).update(await readFile(file));
  }
  return hash.digest("hex").slice(0, 16);
}

const sha256 = (content: Uint8Array): string => createHash("sha256").update(content).digest("hex");
