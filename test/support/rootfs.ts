/** The builder rootfs for tests: the one in the user's cache, made if it is not there. CB_TEST_CACHE names another cache. */
import { homedir } from "node:os";
import { join } from "node:path";
import { ensureRootfs } from "../../lib/provider/sandbox/rootfs.ts";

export function testRootfs(): Promise<string> {
  return ensureRootfs({
    cacheDir: testCache(),
    onProgress: ({ phase, percent }) => process.stderr.write(`builder rootfs: ${phase} (${percent} %)\n`),
  });
}

/** The same, of the sandboxes in which machines run. */
export function testMachineRootfs(): Promise<string> {
  return ensureRootfs({ cacheDir: testCache(), purpose: "machine" });
}

/** The cache folder that tests share: what is made for one is there for all. */
export function testCache(): string {
  const cache = process.env.XDG_CACHE_HOME ?? join(homedir(), ".cache");
  return process.env.CB_TEST_CACHE ?? join(cache, "container-builder");
}
