/**
 * Decides where the control groups of sandboxes are made, from the kernel's list of hierarchies.
 *
 * A group of a sandbox belongs to the user who runs the queue. Root of the sandbox is another user, so it can mount the hierarchy
 * and see its own group, but can neither change the limits nor leave the group.
 */
import { dirname, join, relative } from "node:path";

/** Only these: the number of processes is limited by RLIMIT_NPROC (scripts/outer.sh), which needs no rights. */
export type Controller = "memory" | "cpu";

export interface Hierarchy {
  readonly version: 1 | 2;
  /** The group in which this process runs: its folder below the mount point. */
  readonly own: string;
  readonly mount: string;
  /** The controllers of a hierarchy of version 1; those of version 2 differ by group. */
  readonly controllers: readonly string[];
}

/** The rights of this process in the hierarchy of version 2, at its mount point and around its own group. */
export interface UnifiedRights {
  /** The own group's parent is writable, and so delegated: systemd's DelegateSubgroup=, or the user's service manager. */
  readonly parent: boolean;
  /** The own group is writable, and this process is alone in it: systemd's Delegate=. */
  readonly own: boolean;
}

/** A group below which the groups of sandboxes are made. */
export interface Place {
  readonly version: 1 | 2;
  readonly folder: string;
  /** Version 2 gives no controllers to the children of a group that has processes, so this process must first move into a child. */
  readonly moveOut: boolean;
}

/** Why there is no place, with the remedy. */
export interface NoPlace {
  readonly reason: string;
}

/** Returns the hierarchies that are mounted, from the texts of /proc/self/mountinfo and /proc/self/cgroup (cgroups(7)). */
export function hierarchiesIn(mountinfo: string, ownGroups: string): Hierarchy[] {
  const own = ownGroups
    .split("\n")
    .map((line) => /^\d+:([^:]*):(.*)$/.exec(line))
    .filter((match) => match !== null)
    .map(([, controllers = "", group = ""]) => ({ controllers, group }));
  return mountinfo.split("\n").flatMap((line): Hierarchy[] => {
    const [, root, mount, type, options] = /^\S+ \S+ \S+ (\S+) (\S+) .*? - (cgroup2?) \S+ (\S+)$/.exec(line) ?? [];
    if (root === undefined || mount === undefined || options === undefined) return [];
    const version = type === "cgroup2" ? 2 : 1;
    const set = options.split(",");
    const group = own.find(({ controllers }) =>
      version === 2
        ? controllers === ""
        : controllers !== "" && controllers.split(",").every((name) => set.includes(name)),
    )?.group;
    if (group === undefined) return [];
    const below = relative(root, group);
    const visible = !below.startsWith("..");
    return [{ version, mount, own: visible ? join(mount, below) : mount, controllers: version === 1 ? set : [] }];
  });
}

const NOT_DELEGATED =
  "this user may make no control groups; run cb-queue as root, or as a service with Delegate=yes and DelegateSubgroup=queue";

/** Returns the place for a controller. `isRoot`: this process is root of the host, with all rights. */
export function placeFor(
  controller: Controller,
  hierarchies: readonly Hierarchy[],
  { isRoot, rights }: { readonly isRoot: boolean; readonly rights: UnifiedRights },
): Place | NoPlace {
  const first = hierarchies.find(({ version, controllers }) => version === 1 && controllers.includes(controller));
  if (first !== undefined) {
    if (!isRoot) return { reason: `this host has cgroup v1, in which only root makes groups; run cb-queue as root` };
    return { version: 1, folder: first.own, moveOut: false };
  }
  const unified = hierarchies.find(({ version }) => version === 2);
  if (unified === undefined) return { reason: `no control groups are mounted; mount cgroup2 on /sys/fs/cgroup` };
  // Root of the hierarchy may have processes and give controllers to its children.
  if (isRoot) return { version: 2, folder: unified.mount, moveOut: false };
  if (rights.parent) return { version: 2, folder: dirname(unified.own), moveOut: false };
  if (rights.own) return { version: 2, folder: unified.own, moveOut: true };
  return { reason: NOT_DELEGATED };
}

/** The settings of a group: files and their texts, in the order in which they are written. */
export interface GroupSetting {
  readonly file: string;
  readonly text: string;
  /** The kernel may lack the file: swap accounting is an option of the kernel. */
  readonly optional?: boolean;
}

const MIB = 1024 * 1024;
/** The kernel's default period: 100 ms (Linux: scheduler/sched-bwc). */
const PERIOD_US = 100_000;

/** Memory includes swap, because otherwise a limit of memory only moves the sandbox to the swap space. */
export function memorySettings(version: 1 | 2, memoryMib: number): GroupSetting[] {
  const bytes = String(memoryMib * MIB);
  if (version === 2) {
    return [
      { file: "memory.max", text: bytes },
      { file: "memory.swap.max", text: "0", optional: true },
    ];
  }
  return [
    { file: "memory.limit_in_bytes", text: bytes },
    { file: "memory.memsw.limit_in_bytes", text: bytes, optional: true },
  ];
}

export function cpuSettings(version: 1 | 2, cores: number): GroupSetting[] {
  const quota = String(Math.round(cores * PERIOD_US));
  if (version === 2) return [{ file: "cpu.max", text: `${quota} ${PERIOD_US}` }];
  return [
    { file: "cpu.cfs_period_us", text: String(PERIOD_US) },
    { file: "cpu.cfs_quota_us", text: quota },
  ];
}

/** The file with a line "oom_kill N", the number of processes that the limit has ended, and the file with the limit in bytes. */
export const MEMORY_FILES = {
  1: { events: "memory.oom_control", limit: "memory.limit_in_bytes" },
  2: { events: "memory.events", limit: "memory.max" },
} as const;
