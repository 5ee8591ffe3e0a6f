/** Finds out which bounds this host and the rights of this process allow. It only reads. */
import { access, constants, readFile } from "node:fs/promises";
import { delimiter, dirname, join } from "node:path";
import { type Controller, hierarchiesIn, type NoPlace, type Place, placeFor, type UnifiedRights } from "./cgroups.ts";

export type Resource = Controller | "disk";

export interface HostSupport {
  readonly places: Partial<Readonly<Record<Controller, Place>>>;
  /** For each resource that cannot be bounded here: why, and the remedy. */
  readonly reasons: Partial<Readonly<Record<Resource, string>>>;
}

const NOT_ROOT =
  "only root mounts a file system for each sandbox; run cb-queue as root, or put stateDir on a disk of its own";

export async function hostSupport(): Promise<HostSupport> {
  const [mountinfo, ownGroups] = await Promise.all(
    ["mountinfo", "cgroup"].map((name) => readOrEmpty(`/proc/self/${name}`)),
  );
  const hierarchies = hierarchiesIn(mountinfo ?? "", ownGroups ?? "");
  const isRoot = await isRootOfHost();
  const unified = hierarchies.find(({ version }) => version === 2);
  const rights = unified === undefined ? { parent: false, own: false } : await rightsAround(unified.own);
  const places: Partial<Record<Controller, Place>> = {};
  const reasons: Partial<Record<Resource, string>> = {};
  for (const controller of ["memory", "cpu"] as const) {
    const place = await withController(controller, placeFor(controller, hierarchies, { isRoot, rights }));
    if ("reason" in place) reasons[controller] = place.reason;
    else places[controller] = place;
  }
  const disk = isRoot ? await missingForDisk() : NOT_ROOT;
  if (disk !== undefined) reasons.disk = disk;
  return { places, reasons };
}

async function withController(controller: Controller, place: Place | NoPlace): Promise<Place | NoPlace> {
  if ("reason" in place || place.version === 1) return place;
  const names = (await readOrEmpty(join(place.folder, "cgroup.controllers"))).trim().split(" ");
  if (names.includes(controller)) return place;
  return {
    reason: `${place.folder} has no ${controller} controller; start the kernel with it, or delegate it in the unit`,
  };
}

async function rightsAround(own: string): Promise<UnifiedRights> {
  const writable = async (folder: string) => {
    const files = ["", "cgroup.procs", "cgroup.subtree_control"].map((name) =>
      access(join(folder, name), constants.W_OK),
    );
    return (await Promise.allSettled(files)).every(({ status }) => status === "fulfilled");
  };
  const alone = (await readOrEmpty(join(own, "cgroup.procs"))).trim() === String(process.pid);
  return { parent: await writable(dirname(own)), own: alone && (await writable(own)) };
}

/** Bit 21 of a capability set, CAP_SYS_ADMIN (capabilities(7)). */
const CAP_SYS_ADMIN = 1n << 21n;

/** Root of a user namespace and root of most containers may neither mount a disk nor make groups. */
async function isRootOfHost(): Promise<boolean> {
  const [status = "", idMap = ""] = await Promise.all(
    ["status", "uid_map"].map((name) => readOrEmpty(`/proc/self/${name}`)),
  );
  const effective = BigInt(`0x${/^CapEff:\s*([0-9a-f]+)$/m.exec(status)?.[1] ?? "0"}`);
  return (effective & CAP_SYS_ADMIN) !== 0n && idMap.trim().split(/\s+/).join(" ") === "0 0 4294967295";
}

async function missingForDisk(): Promise<string | undefined> {
  const exists = (path: string) =>
    access(path).then(
      () => true,
      () => false,
    );
  if (!(await exists("/dev/loop-control"))) return "there is no /dev/loop-control; run modprobe loop";
  const folders = [...(process.env.PATH ?? "").split(delimiter), "/usr/sbin", "/sbin"];
  const found = await Promise.all(folders.map((folder) => exists(join(folder, "mkfs.ext4"))));
  return found.includes(true) ? undefined : "there is no mkfs.ext4; install e2fsprogs";
}

function readOrEmpty(path: string): Promise<string> {
  return readFile(path, "utf8").catch(() => "");
}
