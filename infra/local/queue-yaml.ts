/** The configuration of the local stack's cb-queue. */
import { stringify } from "yaml";
import { HOST_LOOPBACK } from "../../lib/provider/sandbox/egress.ts";
import type { Installation } from "../nats/installation.ts";

export interface QueueYaml {
  readonly installation: Installation;
  /** Where this machine's programs find NATS. */
  readonly natsUrl: string;
  readonly natsPort: number;
  readonly sandboxes: string;
  readonly rootfs: string;
  readonly agentDir: string;
  /** Architectures beside this machine's own that its sandboxes can build for. */
  readonly emulated: readonly string[];
}

/** A workstation: two builders wait, and two may be at work beside them. For other architectures a builder is made when it is asked for. */
export function queueYaml(options: QueueYaml): string {
  const { installation, natsUrl, natsPort } = options;
  const tls = { servername: installation.serverName, ca: installation.files.caFile };
  const pool = {
    bootTimeoutSeconds: 30,
    nats: { url: `tls://${HOST_LOOPBACK}:${natsPort}`, ...tls },
    provider: {
      kind: "sandbox",
      stateDir: options.sandboxes,
      rootfs: options.rootfs,
      agentDir: options.agentDir,
      allowHostPorts: [`${HOST_LOOPBACK}:${natsPort}`],
    },
  };
  const config = {
    installation: installation.name,
    nats: { url: natsUrl, ...tls, creds: installation.files.queueCreds },
    issuer: { account: installation.guest, signingKey: installation.files.guestSigningSeed },
    pools: [
      { name: "local", reserve: 2, max: 4, ...pool },
      ...options.emulated.map((arch) => ({ name: `local-${arch}`, arch, reserve: 0, max: 2, ...pool })),
    ],
    // max_bytes of a stream is reserved disk, and a workstation has less of it than a site.
    limits: { logMiB: 256, imageMiB: 8192 },
  };
  return `# Written by cb-local; changes are lost at the next "cb-local up".\n${stringify(config)}`;
}
