/** The root file systems for tests: from the user's cache, and made when they are not there. CB_TEST_CACHE sets another cache. */
import { homedir } from "node:os";
import { join } from "node:path";
import { ensureRootfs } from "../../lib/provider/sandbox/rootfs.ts";

export function testRootfs(): Promise<string> {
  return ensureRootfs({
    cacheDir: testCache(),
    onProgress: ({ phase, percent }) => process.stderr.write(`builder rootfs: ${phase} (${percent} %)\n`),
  });
}

/** The root file system of the sandboxes in which machines run. */
export function testMachineRootfs(): Promise<string> {
  return ensureRootfs({ cacheDir: testCache(), purpose: "machine" });
}

/** The cache folder that all tests share, so that each product is made once. */
export function testCache(): string {
  const cache = process.env.XDG_CACHE_HOME ?? join(homedir(), ".cache");
  return process.env.CB_TEST_CACHE ?? join(cache, "container-builder");
}
