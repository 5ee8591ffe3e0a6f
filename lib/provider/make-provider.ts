/** The provider that a pool's configuration names. */
import type { PoolConfig } from "../config/queue-config.ts";
import type { Provider } from "./provider.ts";
import { MachineProvider } from "./qemu/machine.ts";
import { SandboxProvider } from "./sandbox/provider.ts";

/** Where a sandbox finds the folder with the agent's bundle. */
const AGENT_INSIDE = "/opt/container-builder";

export function makeProvider(config: PoolConfig["provider"], installation: string): Provider {
  const { stateDir, rootfs, allowWeak } = config;
  const shared = { stateDir, rootfs, installation, allowHostPorts: config.allowHostPorts.map(hostPort), allowWeak };
  if (config.kind === "sandbox") {
    return new SandboxProvider({
      ...shared,
      agentCommand: ["node", `${AGENT_INSIDE}/agent.mjs`],
      agentBinds: [{ from: config.agentDir, to: AGENT_INSIDE }],
    });
  }
  const { disk, cores, memoryMiB: memoryMib, diskGiB: diskGib, acceleration } = config;
  return new MachineProvider({ ...shared, disk, cores, memoryMib, diskGib, acceleration });
}

/** The configuration has checked its form. */
function hostPort(text: string): { address: string; port: number } {
  const [address = "", port = ""] = text.split(":");
  return { address, port: Number(port) };
}
