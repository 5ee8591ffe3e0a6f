/** The configuration of the local stack's cb-queue. */
import { parse, stringify } from "yaml";
import type { Mirror } from "../../lib/protocol/builder-messages.ts";
import { HOST_LOOPBACK } from "../../lib/provider/sandbox/egress.ts";
import type { Installation } from "../nats/installation.ts";
import type { BuilderKind, LocalBuilders } from "./builders.ts";
import { HTTP_ADDRESS } from "./http-port.ts";

export interface QueueYaml {
  readonly installation: Installation;
  /** The address of NATS for programs on this machine. */
  readonly natsUrl: string;
  readonly natsPort: number;
  readonly httpPort: number;
  readonly sandboxes: string;
  readonly builders: LocalBuilders;
  readonly mirrors: readonly Mirror[];
}

export function queueYaml(options: QueueYaml): string {
  const { installation, natsUrl, natsPort, httpPort, builders, mirrors } = options;
  const tls = { servername: installation.serverName, ca: installation.files.caFile };
  const nats = { url: `tls://${HOST_LOOPBACK}:${natsPort}`, ...tls };
  const allowHostPorts = [`${HOST_LOOPBACK}:${natsPort}`, ...mirrors.map(({ host }) => host)];
  const sandbox = { stateDir: options.sandboxes, allowHostPorts };
  const config = {
    installation: installation.name,
    nats: { url: natsUrl, ...tls, creds: installation.files.queueCreds },
    issuer: {
      account: installation.guest,
      signingKey: installation.files.guestSigningSeed,
      sealingKey: installation.files.sealingKey,
    },
    pools: poolsOf(builders, sandbox).map((pool) => ({ ...pool, nats, mirrors })),
    // JetStream reserves the max_bytes of each stream on disk, and a workstation has less disk than a site.
    limits: { logMiB: 256, imageMiB: 8192 },
    http: { listen: `${HTTP_ADDRESS}:${httpPort}` },
  };
  return `# Written by cb-local; changes are lost at the next "cb-local up".\n${stringify(config)}`;
}

/** The kind of builders in a configuration that queueYaml() wrote. */
export function kindIn(text: string): BuilderKind {
  const { pools } = parse(text) as { pools: readonly { readonly provider: { readonly kind: BuilderKind } }[] };
  return pools[0]?.provider.kind ?? "sandbox";
}

/**
 * Sizes for a workstation. Of sandboxes two wait and two more may build; for another architecture one is created on demand. A
 * virtual machine holds its memory while it waits, and takes up to a minute to start under emulation, so one waits and one
 * more may build.
 */
function poolsOf(builders: LocalBuilders, sandbox: object): object[] {
  if (builders.kind === "qemu") {
    const { kind, rootfs, disk } = builders;
    const provider = { kind, ...sandbox, rootfs, disk };
    return [{ name: "local", reserve: 1, max: 2, bootTimeoutSeconds: 300, provider }];
  }
  const { kind, rootfs, agentDir, emulated } = builders;
  const pool = { bootTimeoutSeconds: 30, provider: { kind, ...sandbox, rootfs, agentDir } };
  return [
    { name: "local", reserve: 2, max: 4, ...pool },
    ...emulated.map((arch) => ({ name: `local-${arch}`, arch, reserve: 0, max: 2, ...pool })),
  ];
}
