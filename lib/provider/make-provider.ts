/** The provider that a pool's configuration names. */
import type { PoolConfig } from "../config/queue-config.ts";
import type { Provider } from "./provider.ts";
import { SandboxProvider } from "./sandbox/provider.ts";

/** Where a sandbox finds the folder with the agent's bundle. */
const AGENT_INSIDE = "/opt/container-builder";

export function makeProvider(config: PoolConfig["provider"], installation: string): Provider {
  const { stateDir, rootfs, agentDir, allowHostPorts, allowWeak } = config;
  return new SandboxProvider({
    stateDir,
    rootfs,
    installation,
    agentCommand: ["node", `${AGENT_INSIDE}/agent.mjs`],
    agentBinds: [{ from: agentDir, to: AGENT_INSIDE }],
    allowHostPorts: allowHostPorts.map(hostPort),
    allowWeak,
  });
}

/** The configuration has checked its form. */
function hostPort(text: string): { address: string; port: number } {
  const [address = "", port = ""] = text.split(":");
  return { address, port: Number(port) };
}
