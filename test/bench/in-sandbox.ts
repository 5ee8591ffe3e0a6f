/** Runs a script in a sandbox that has the root file system of a builder, without an agent. */
import { once } from "node:events";
import { mkdtempSync } from "node:fs";
import { join } from "node:path";
import { UNBOUNDED } from "../../lib/provider/sandbox/bounds.ts";
import { HOST_LOOPBACK } from "../../lib/provider/sandbox/egress.ts";
import { clearData, endSandboxIn, makeFolder } from "../../lib/provider/sandbox/folder.ts";
import { DEFAULT_LIMITS, hostNetworks, launchSandbox } from "../../lib/provider/sandbox/launch.ts";
import { testRootfs } from "../support/rootfs.ts";

/**
 * Resolves with its standard output when it has ended. The script reaches the listed ports of this host's loopback, as 10.0.2.2, and
 * may write into /var/scratch, which is no overlay. The sandbox's folder is made in `folder`.
 */
export async function inSandbox(folder: string, script: string, hostPorts: readonly number[]): Promise<string> {
  const sandbox = mkdtempSync(join(folder, "sandbox-"));
  await makeFolder(sandbox);
  const child = await launchSandbox({
    folder: sandbox,
    rootfs: await testRootfs(),
    hostname: "sandbox",
    command: ["bash", "-c", script],
    binds: [],
    network: {
      allowHostPorts: hostPorts.map((port) => ({ address: HOST_LOOPBACK, port })),
      refused: await hostNetworks(),
    },
    limits: DEFAULT_LIMITS,
    bounds: UNBOUNDED.launch,
    devices: [],
    allowWeak: [],
    userData: "",
    consoleBytes: 0,
    output: "pipe",
  });
  let output = "";
  child.stdout?.on("data", (chunk: Buffer) => {
    output += chunk.toString();
  });
  child.stderr?.resume();
  await once(child, "close");
  await endSandboxIn(sandbox);
  await clearData(sandbox);
  return output;
}
