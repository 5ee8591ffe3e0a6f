/** The builder rootfs for tests: the one in the user's cache, made if it is not there. CB_TEST_CACHE names another cache. */
import { homedir } from "node:os";
import { join } from "node:path";
import { ensureRootfs } from "../../lib/provider/sandbox/rootfs.ts";

export function testRootfs(): Promise<string> {
  const cache = process.env.XDG_CACHE_HOME ?? join(homedir(), ".cache");
  return ensureRootfs({
    cacheDir: process.env.CB_TEST_CACHE ?? join(cache, "container-builder"),
    onProgress: ({ phase, percent }) => process.stderr.write(`builder rootfs: ${phase} (${percent} %)\n`),
  });
}
