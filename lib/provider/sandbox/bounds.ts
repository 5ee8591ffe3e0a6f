/**
 * Bounds the memory, processor time and disk of a sandbox, as far as the host and the rights of this process allow it: memory and
 * processor time by control groups, the disk by a file system of its own in a file (scripts/launch.sh).
 */
import { join } from "node:path";
import { cpuSettings, MEMORY_FILES, memorySettings, type Place } from "./cgroups.ts";
import type { HostSupport, Resource } from "./host-support.ts";
import type { Bind, LaunchBounds } from "./launch.ts";
import type { Group } from "./make-groups.ts";

export interface Bounds {
  readonly memoryMib: number;
  /** Processor time in processors, such as 1.5. `undefined`: no limit; the kernel divides the time between the sandboxes. */
  readonly cores: number | undefined;
  /** Size of the file system that takes everything that the sandbox writes. It has one inode for each 16 KiB. */
  readonly diskMib: number;
}

/** The bounds of one sandbox that hold on this host. */
export interface BoundsPlan {
  readonly groups: readonly Group[];
  readonly launch: LaunchBounds;
  /** The files at which the agent sees its memory limit. */
  readonly binds: readonly Bind[];
}

export const UNBOUNDED: BoundsPlan = { groups: [], launch: { groups: [], diskMib: 0, memoryMib: 0 }, binds: [] };

/** Paths inside a sandbox; agent/memory-failure.ts reads them. */
const EVENTS_INSIDE = "/run/sandbox/memory-events";
const LIMIT_INSIDE = "/run/sandbox/memory-limit";

/** Decides the bounds of a sandbox; `name` becomes the name of its control groups. */
export function planBounds(name: string, bounds: Bounds, { places, reasons }: HostSupport): BoundsPlan {
  const { memoryMib, cores, diskMib } = bounds;
  const groups: Group[] = [];
  const binds: Bind[] = [];
  if (places.memory !== undefined) {
    const { version } = places.memory;
    const folder = groupFolder(places.memory, name);
    groups.push({ controller: "memory", place: places.memory, folder, settings: memorySettings(version, memoryMib) });
    binds.push({ from: join(folder, MEMORY_FILES[version].events), to: EVENTS_INSIDE });
    binds.push({ from: join(folder, MEMORY_FILES[version].limit), to: LIMIT_INSIDE });
  }
  if (places.cpu !== undefined && cores !== undefined) {
    const settings = cpuSettings(places.cpu.version, cores);
    groups.push({ controller: "cpu", place: places.cpu, folder: groupFolder(places.cpu, name), settings });
  }
  const launch: LaunchBounds = {
    groups: foldersOf(groups),
    diskMib: reasons.disk === undefined ? diskMib : 0,
    memoryMib: places.memory === undefined ? 0 : memoryMib,
  };
  return { groups, launch, binds };
}

/** The different folders of these groups. */
function foldersOf(groups: readonly Group[]): string[] {
  return [...new Set(groups.map(({ folder }) => folder))];
}

/**
 * In version 2 all sandboxes have one parent, which keeps the service manager from taking the controllers away. Version 1 does not
 * need it, and then no group outlives the sandboxes.
 */
function groupFolder({ version, folder }: Place, name: string): string {
  return version === 2 ? join(folder, "container-builder", name) : join(folder, name);
}

/** A sentence for operators: the bounds of each sandbox, and those that do not hold here, with the reason and the remedy. */
export function describeBounds({ memoryMib, cores, diskMib }: Bounds, { reasons }: HostSupport): string {
  const wanted: readonly (readonly [Resource, string, string])[] = [
    ["memory", "memory", `${memoryMib} MiB of memory`],
    ...(cores === undefined ? [] : [["cpu", "processor time", `the time of ${cores} processors`] as const]),
    ["disk", "disk space", `${diskMib} MiB of disk space`],
  ];
  const held = wanted.filter(([resource]) => reasons[resource] === undefined).map(([, , text]) => text);
  const open = wanted.flatMap(([resource, name]) => {
    const reason = reasons[resource];
    return reason === undefined ? [] : [`${name} (${reason})`];
  });
  return [
    ...(held.length === 0 ? [] : [`a sandbox gets at most ${held.join(", ")}`]),
    ...(open.length === 0 ? [] : [`NOT bounded on this host: ${open.join("; ")}`]),
  ].join("; ");
}
