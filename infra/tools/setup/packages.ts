/** The programs that the local stack, the scripts of the root file system and the tests call, with package and purpose. */

interface Entry {
  /** The Debian package with the program; it has the same name in Debian 12 and 13. */
  readonly package: string;
  /** Completes the sentence "needed, because …". */
  readonly purpose: string;
}

export const TOOLS = {
  mmdebstrap: { package: "mmdebstrap", purpose: "it creates the builder's root file system" },
  gpg: { package: "gpg", purpose: "mmdebstrap finds the keys that sign Debian's archives with it" },
  newuidmap: { package: "uidmap", purpose: "it maps a sandbox's root to subordinate user ids" },
  slirp4netns: { package: "slirp4netns", purpose: "it gives a sandbox a network of its own, without root" },
  ip: { package: "iproute2", purpose: "it sets up the network inside a sandbox" },
  unshare: { package: "util-linux", purpose: "it creates the namespaces of a sandbox" },
  nsenter: { package: "util-linux", purpose: "it enters the namespaces of a sandbox" },
  mount: { package: "mount", purpose: "it assembles the file system of a sandbox" },
  openssl: { package: "openssl", purpose: "it creates the certificate of the local NATS server" },
  "qemu-system-x86_64": { package: "qemu-system-x86", purpose: "tests start the builder's disk image with it" },
  "qemu-img": { package: "qemu-utils", purpose: "it writes the builder's disk image in other formats" },
  genisoimage: { package: "genisoimage", purpose: "tests create config drives with it" },
  ssh: { package: "openssh-client", purpose: "tests log in to a host that runs the host image" },
  jq: { package: "jq", purpose: "tests run the filter that reads a machine's network metadata" },
  patchelf: { package: "patchelf", purpose: "it makes the Node of a package find its libraries beside it" },
  xz: { package: "xz-utils", purpose: "it compresses packages" },
  readelf: { package: "binutils", purpose: "tests read with it which glibc a program needs" },
  "systemd-analyze": { package: "systemd", purpose: "tests read with it how well the units are protected" },
  "systemd-notify": { package: "systemd", purpose: "tests send messages for systemd with it" },
  rsync: { package: "rsync", purpose: "tests run the jobs of .gitlab-ci.yml with it" },
  strace: { package: "strace", purpose: "tests read with it the command lines that a job runs" },
  zsh: { package: "zsh", purpose: "tests complete command lines with it" },
  fish: { package: "fish", purpose: "tests complete command lines with it" },
  man: { package: "man-db", purpose: "tests format the manual pages with it" },
  mandoc: { package: "mandoc", purpose: "tests check the manual pages with it" },
  sshd: { package: "openssh-server", purpose: "benchmarks compare transfers with scp" },
  rpmbuild: { package: "rpm", purpose: "tests make packages of an RPM repository with it" },
  createrepo_c: { package: "createrepo-c", purpose: "tests make an RPM repository with it" },
  chromium: { package: "chromium", purpose: "tests show the status page with it" },
  "nats-server": { package: "nats-server", purpose: "it carries every message, log line and image" },
} as const satisfies Record<string, Entry>;

export type Tool = keyof typeof TOOLS;

/** The tests of the disk image run these on the host. A machine of the local stack has them in its sandbox. */
const MACHINE_TOOLS: readonly Tool[] = ["qemu-system-x86_64", "qemu-img", "genisoimage", "ssh"];

/** The programs that make and examine the packages of a release. */
export const PACKAGE_TOOLS: readonly Tool[] = ["patchelf", "xz", "readelf", "systemd-analyze"];
/** Only tests run these. */
const TEST_ONLY_TOOLS: readonly Tool[] = ["jq", "systemd-notify", "rsync"];
/** The tests and benchmarks that run these install them: the browser has 300 MB with its libraries. */
const INSTALLED_BY_TESTS: readonly Tool[] = [
  "sshd",
  "chromium",
  "strace",
  "zsh",
  "fish",
  "man",
  "mandoc",
  "rpmbuild",
  "createrepo_c",
];
const NOT_FOR_SANDBOXES: readonly Tool[] = [
  ...MACHINE_TOOLS,
  ...PACKAGE_TOOLS,
  ...TEST_ONLY_TOOLS,
  ...INSTALLED_BY_TESTS,
];

/** The programs for builds in sandboxes on this machine. */
export const SANDBOX_TOOLS: readonly Tool[] = (Object.keys(TOOLS) as Tool[]).filter(
  (tool) => !NOT_FOR_SANDBOXES.includes(tool),
);

/** The programs for a queue with sandboxes. Its NATS server and certificates come with the installation. */
export const SANDBOX_HOST_TOOLS: readonly Tool[] = SANDBOX_TOOLS.filter(
  (tool) => tool !== "nats-server" && tool !== "openssl",
);

/** The programs for the tests of `npm test`. */
export const TEST_TOOLS: readonly Tool[] = [...SANDBOX_TOOLS, ...TEST_ONLY_TOOLS, "xz", "systemd-analyze"];

/** The programs for all tests but that of the status page. */
export const ALL_TOOLS: readonly Tool[] = [...TEST_TOOLS, ...MACHINE_TOOLS];
