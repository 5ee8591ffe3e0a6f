/** The provider that a pool's configuration names. */
import type { PoolConfig } from "../config/queue-config.ts";
import { OpenStackProvider } from "./openstack/provider.ts";
import { Sites } from "./openstack/site.ts";
import type { Provider } from "./provider.ts";
import { SandboxProvider } from "./sandbox/provider.ts";

type ProviderConfig = PoolConfig["provider"];
type SandboxConfig = Extract<ProviderConfig, { kind: "sandbox" }>;

/** Where a sandbox finds the folder with the agent's bundle. */
const AGENT_INSIDE = "/opt/container-builder";

/** What makes the providers of one installation: pools on one cloud share the login and the listing. */
export function providersOf(installation: string): (config: ProviderConfig) => Provider {
  const sites = new Sites(installation);
  return (config) =>
    config.kind === "sandbox"
      ? sandboxes(config, installation)
      : new OpenStackProvider(sites.of({ cloud: config.cloud, region: config.region }), config);
}

function sandboxes({ stateDir, rootfs, agentDir, allowHostPorts, allowWeak }: SandboxConfig, installation: string) {
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
