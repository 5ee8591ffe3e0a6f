/** The providers that the pools of a configuration name. */
import type { PoolConfig, QueueConfig } from "../config/queue-config.ts";
import { OpenStackProvider } from "./openstack/provider.ts";
import { Sites } from "./openstack/site.ts";
import type { Provider } from "./provider.ts";
import { SandboxProvider } from "./sandbox/provider.ts";

type ProviderConfig = PoolConfig["provider"];
type SandboxConfig = Extract<ProviderConfig, { kind: "sandbox" }>;

/** Where a sandbox finds the folder with the agent's bundle. */
const AGENT_INSIDE = "/opt/container-builder";

/** By the name of the pool. Pools on one cloud share the login and the listing. Throws CbError "config". */
export function providersFor({
  installation,
  pools,
}: Pick<QueueConfig, "installation" | "pools">): Map<string, Provider> {
  const sites = new Sites(installation);
  const make = (config: ProviderConfig): Provider =>
    config.kind === "sandbox"
      ? sandboxes(config, installation)
      : new OpenStackProvider(sites.of({ cloud: config.cloud, region: config.region }), config);
  return new Map(pools.map(({ name, provider }) => [name, make(provider)]));
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
