/** Minimal Debian trees for trials of the packages: made once, and kept in the tests' cache. They need root. */
import { execFile } from "node:child_process";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { ensureTools } from "../../../infra/tools/setup/ensure-tools.ts";
import { isMade, makeOnce } from "../../../lib/provider/sandbox/make-once.ts";
import { testCache } from "../rootfs.ts";

const script = (name: string): string => fileURLToPath(new URL(name, import.meta.url));
export const BOOT_SCRIPT = script("boot.sh");

/** Returns the path of a tree of the release with these packages. Making one takes 40 s on two idle cores. */
export async function debianTree(release: string, packages: readonly string[] = []): Promise<string> {
  await ensureTools({ need: ["mmdebstrap", "gpg", "unshare"], onStep: console.error });
  const cache = join(testCache(), "trees");
  const key = [release, process.arch, ...packages].join("-");
  if (!(await isMade(cache, key))) {
    const make = [script("make-tree.sh"), release, packages.join(",")] as const;
    const product = `a Debian ${release} tree`;
    await makeOnce({ product, cache, key, script: make, phases: [], onProgress: undefined, signal: undefined });
  }
  return join(cache, key, "rootfs");
}

/** Runs a shell command in the tree, with the package mounted, and `workFolder` as /work (in-tree.sh). Rejects when it fails. */
export async function inTree(tree: string, packageFolder: string, command: string, workFolder = ""): Promise<string> {
  const namespaces = ["--fork", "--kill-child", "--mount", "--pid"];
  const argv = [...namespaces, "bash", script("in-tree.sh"), tree, packageFolder, workFolder, "bash", "-c", command];
  return (await promisify(execFile)("unshare", argv)).stdout;
}
