/** The setting `provider` of a pool: the kind of its builders, and all that the kind needs. The reason for each default is in its comment. */
import { totalmem } from "node:os";
import * as v from "valibot";

const MIB = 1024 * 1024;

export const path = v.pipe(v.string(), v.startsWith("/", "must be an absolute path"));
export const whole = (min: number, max: number) =>
  v.pipe(v.number(), v.integer("must be a whole number"), v.minValue(min), v.maxValue(max));

/** Settings that the sandbox provider and the QEMU provider have in common. */
const localProvider = {
  /** Parent of the machines' folders. */
  stateDir: path,
  /**
   * Ports of the host that a sandbox may connect to, as ADDRESS:PORT inside the sandbox: 10.0.2.2 is the host's loopback.
   * NATS must be among them. The packet filter rejects all other ports of the host.
   */
  allowHostPorts: v.array(
    v.pipe(v.string(), v.regex(/^\d+(\.\d+){3}:\d{1,5}$/, "must be ADDRESS:PORT, e.g. 10.0.2.2:4222")),
  ),
  /** Parts of the sandbox boundary that may be missing. None by default: a host without them is refused. */
  allowWeak: v.optional(v.array(v.picklist(["egress-filter"])), []),
};

/** Sandboxes on this machine, one for each builder. */
const sandboxProvider = v.strictObject({
  kind: v.literal("sandbox"),
  ...localProvider,
  /** The builder's root file system, which infra/image/rootfs makes. */
  rootfs: path,
  /** Folder with the agent's bundle; it is mounted read-only into each sandbox. */
  agentDir: path,
  /**
   * Memory of each sandbox, its tmpfs included and without swap. Three quarters of this machine's memory, so that one recipe cannot
   * take the memory of NATS and the queue, and no build on a workstation fails that had room before. A site sets less: the memory
   * for builders divided by `max`.
   */
  memoryMiB: v.optional(whole(256, 16 * 1024 * 1024), () => Math.floor((totalmem() * 3) / 4 / MIB)),
  /** Processor time, in processors. Without it the kernel divides the time between the sandboxes, and none is left unused. */
  cores: v.optional(v.pipe(v.number(), v.minValue(0.1), v.maxValue(1024))),
  /** 20 GiB: as of a virtual machine below. The file system's file grows as it is written. */
  diskGiB: v.optional(whole(2, 16_384), 20),
});

/** Virtual machines on this machine. */
const qemuProvider = v.strictObject({
  kind: v.literal("qemu"),
  ...localProvider,
  /** Root file system with QEMU; infra/image/machine lists its packages. */
  rootfs: path,
  /** The builder's disk image, raw, from infra/image/disk. All machines boot from it read-only and write to overlays. */
  disk: path,
  /** Two: apptainer packs an image with one thread for each core. */
  cores: v.optional(whole(1, 256), 2),
  /** 2 GiB: enough for apptainer and a compiler. The host allocates memory only when it is used. */
  memoryMiB: v.optional(whole(512, 1024 * 1024), 2048),
  /** 20 GiB: a base image, its unpacked tree and the finished image, of 5 GB each. The file grows as it is written. */
  diskGiB: v.optional(whole(2, 2047), 20),
  /** "auto" tests whether a guest runs with KVM, and else emulates, which is ten times slower. */
  acceleration: v.optional(v.picklist(["auto", "kvm", "tcg"]), "auto"),
});

/** Name or id of a cloud resource. */
const cloudResource = v.pipe(v.string("must be a name or an id, in quotes"), v.minLength(1), v.maxLength(255));

/**
 * Servers of an OpenStack cloud. Login and addresses are read from clouds.yaml or the OS_* variables, as by OpenStack's own
 * clients, so this file needs no secret.
 */
const openstackProvider = v.strictObject({
  kind: v.literal("openstack"),
  /** Entry of clouds.yaml. Default: OS_CLOUD, then the OS_* variables, then the only entry of the file. */
  cloud: v.optional(cloudResource),
  /** Overrides the entry's region_name. */
  region: v.optional(cloudResource),
  flavor: cloudResource,
  /** A name selects the newest image of that name, so uploading one is enough to change it. */
  image: cloudResource,
  /** One network with a route to NATS is enough: a builder opens all its connections itself. */
  networks: v.pipe(v.array(cloudResource), v.minLength(1, "needs at least one network"), v.maxLength(8)),
  /** None by default: no service listens on a builder. */
  keyName: v.optional(cloudResource),
  /** Default: the project's security group "default". */
  securityGroups: v.optional(v.pipe(v.array(cloudResource), v.minLength(1), v.maxLength(16))),
  availabilityZone: v.optional(cloudResource),
  /** For an affinity or anti-affinity policy of the builders. */
  serverGroup: v.optional(cloudResource),
});

export const provider = v.variant(
  "kind",
  [sandboxProvider, qemuProvider, openstackProvider],
  "kind must be sandbox, qemu or openstack",
);
