/** The programs the local stack, the builder rootfs and the tests call, the Debian package of each, and why. */

interface Entry {
  /** The Debian package that brings it; the same name in Debian 12 and 13. */
  readonly package: string;
  /** What it is for, as the end of "needed, because …". */
  readonly why: string;
}

export const TOOLS = {
  mmdebstrap: { package: "mmdebstrap", why: "it makes the builder's root file system" },
  gpg: { package: "gpg", why: "mmdebstrap finds the keys that sign Debian's archives with it" },
  newuidmap: { package: "uidmap", why: "it maps a sandbox's root to subordinate user ids" },
  slirp4netns: { package: "slirp4netns", why: "it gives a sandbox a network of its own, without root" },
  ip: { package: "iproute2", why: "it sets up the network inside a sandbox" },
  unshare: { package: "util-linux", why: "it makes the namespaces of a sandbox" },
  nsenter: { package: "util-linux", why: "it enters the namespaces of a sandbox" },
  mount: { package: "mount", why: "it assembles the file system of a sandbox" },
  openssl: { package: "openssl", why: "it makes the certificate of the local NATS server" },
  "qemu-system-x86_64": { package: "qemu-system-x86", why: "tests start the builder's disk image with it" },
  "qemu-img": { package: "qemu-utils", why: "it writes the builder's disk image in other formats" },
  genisoimage: { package: "genisoimage", why: "tests make config drives with it" },
  jq: { package: "jq", why: "tests run what reads a machine's network metadata" },
  "nats-server": { package: "nats-server", why: "every message, log line and image goes through it" },
} as const satisfies Record<string, Entry>;

export type Tool = keyof typeof TOOLS;

/** What the tests of the disk image run by themselves; a machine of the local stack brings them in its sandbox. */
const MACHINE_TOOLS: readonly Tool[] = ["qemu-system-x86_64", "qemu-img", "genisoimage"];

/** Everything that running builds on one machine takes, in sandboxes. */
export const SANDBOX_TOOLS: readonly Tool[] = (Object.keys(TOOLS) as Tool[]).filter(
  (tool) => tool !== "jq" && !MACHINE_TOOLS.includes(tool),
);

/** What the tests take that `npm test` runs. */
export const TEST_TOOLS: readonly Tool[] = [...SANDBOX_TOOLS, "jq"];

/** What all tests take. */
export const ALL_TOOLS: readonly Tool[] = Object.keys(TOOLS) as Tool[];
