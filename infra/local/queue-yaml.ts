/** The configuration of the local stack's cb-queue. */
import { parse, stringify } from "yaml";
import { HOST_LOOPBACK } from "../../lib/provider/sandbox/egress.ts";
import type { Installation } from "../nats/installation.ts";
import type { BuilderKind, Builders } from "./builders.ts";

export interface QueueYaml {
  readonly installation: Installation;
  /** Where this machine's programs find NATS. */
  readonly natsUrl: string;
  readonly natsPort: number;
  readonly sandboxes: string;
  readonly builders: Builders;
}

export function queueYaml(options: QueueYaml): string {
  const { installation, natsUrl, natsPort, builders } = options;
  const tls = { servername: installation.serverName, ca: installation.files.caFile };
  const nats = { url: `tls://${HOST_LOOPBACK}:${natsPort}`, ...tls };
  const here = { stateDir: options.sandboxes, allowHostPorts: [`${HOST_LOOPBACK}:${natsPort}`] };
  const config = {
    installation: installation.name,
    nats: { url: natsUrl, ...tls, creds: installation.files.queueCreds },
    issuer: { account: installation.guest, signingKey: installation.files.guestSigningSeed },
    pools: poolsOf(builders, here).map((pool) => ({ ...pool, nats })),
    // max_bytes of a stream is reserved disk, and a workstation has less of it than a site.
    limits: { logMiB: 256, imageMiB: 8192 },
  };
  return `# Written by cb-local; changes are lost at the next "cb-local up".\n${stringify(config)}`;
}

/** What such a configuration's builders are. */
export function kindIn(text: string): BuilderKind {
  const { pools } = parse(text) as { pools: readonly { readonly provider: { readonly kind: BuilderKind } }[] };
  return pools[0]?.provider.kind ?? "sandbox";
}

/**
 * A workstation: two sandboxes wait, and two may be at work beside them; for other architectures one is made when it is asked
 * for. A machine takes its memory while it waits, and under emulation up to a minute to start, so one waits, beside one at work.
 */
function poolsOf(builders: Builders, here: object): object[] {
  if (builders.kind === "qemu") {
    const { kind, rootfs, disk } = builders;
    return [{ name: "local", reserve: 1, max: 2, bootTimeoutSeconds: 300, provider: { kind, ...here, rootfs, disk } }];
  }
  const { kind, rootfs, agentDir, emulated } = builders;
  const pool = { bootTimeoutSeconds: 30, provider: { kind, ...here, rootfs, agentDir } };
  return [
    { name: "local", reserve: 2, max: 4, ...pool },
    ...emulated.map((arch) => ({ name: `local-${arch}`, arch, reserve: 0, max: 2, ...pool })),
  ];
}
