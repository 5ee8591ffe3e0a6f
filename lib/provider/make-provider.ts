/** Creates the providers that the pools of a queue configuration name. */
import type { PoolConfig, QueueConfig } from "../config/queue-config.ts";
import type { OnCall } from "./openstack/api/session.ts";
import { OpenStackProvider } from "./openstack/provider.ts";
import { SharedClouds } from "./openstack/shared-cloud.ts";
import type { Provider } from "./provider.ts";
import { MachineProvider } from "./qemu/machine.ts";
import { SandboxProvider } from "./sandbox/provider.ts";

type ProviderConfig = PoolConfig["provider"];
type LocalConfig = Exclude<ProviderConfig, { kind: "openstack" }>;

/** Path inside a sandbox at which the folder with the agent's bundle is mounted. */
const AGENT_INSIDE = "/opt/container-builder";

/** Returns the provider of each pool, by pool name. Pools on one cloud share its login and listing. Throws CbError "config". */
export function providersFor(
  { installation, pools }: Pick<QueueConfig, "installation" | "pools">,
  onCall?: OnCall,
): Map<string, Provider> {
  const clouds = new SharedClouds(installation, onCall);
  const make = (config: ProviderConfig): Provider =>
    config.kind === "openstack"
      ? new OpenStackProvider(clouds.of({ cloud: config.cloud, region: config.region }), config)
      : localProvider(config, installation);
  return new Map(pools.map(({ name, provider }) => [name, make(provider)]));
}

function localProvider(config: LocalConfig, installation: string): Provider {
  const { stateDir, rootfs, allowWeak } = config;
  const shared = { stateDir, rootfs, installation, allowHostPorts: config.allowHostPorts.map(hostPort), allowWeak };
  if (config.kind === "sandbox") {
    return new SandboxProvider({
      ...shared,
      agentCommand: ["node", `${AGENT_INSIDE}/agent.mjs`],
      agentBinds: [{ from: config.agentDir, to: AGENT_INSIDE }],
      bounds: { memoryMib: config.memoryMiB, cores: config.cores, diskMib: config.diskGiB * 1024 },
    });
  }
  const { disk, cores, memoryMiB: memoryMib, diskGiB: diskGib, acceleration } = config;
  return new MachineProvider({ ...shared, disk, cores, memoryMib, diskGib, acceleration });
}

/** Parses "ADDRESS:PORT". The configuration schema has already checked the format. */
function hostPort(text: string): { address: string; port: number } {
  const [address = "", port = ""] = text.split(":");
  return { address, port: Number(port) };
}
