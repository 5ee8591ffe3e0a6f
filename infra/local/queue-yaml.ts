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
}

/** A workstation: two builders wait, and two may be at work beside them. */
export function queueYaml(options: QueueYaml): string {
  const { installation, natsUrl, natsPort } = options;
  const tls = { servername: installation.serverName, ca: installation.files.caFile };
  const config = {
    installation: installation.name,
    nats: { url: natsUrl, ...tls, creds: installation.files.queueCreds },
    issuer: { account: installation.guest, signingKey: installation.files.guestSigningSeed },
    pools: [
      {
        name: "local",
        reserve: 2,
        max: 4,
        bootTimeoutSeconds: 30,
        nats: { url: `tls://${HOST_LOOPBACK}:${natsPort}`, ...tls },
        provider: {
          kind: "sandbox",
          stateDir: options.sandboxes,
          rootfs: options.rootfs,
          agentDir: options.agentDir,
          allowHostPorts: [`${HOST_LOOPBACK}:${natsPort}`],
        },
      },
    ],
    // max_bytes of a stream is reserved disk, and a workstation has less of it than a site.
    limits: { logMiB: 256, imageMiB: 8192 },
  };
  return `# Written by cb-local; changes are lost at the next "cb-local up".\n${stringify(config)}`;
}
