/** Finds the requirements of sandboxes that this machine does not meet, each with the command that fixes it. */
import { execFile } from "node:child_process";
import { access, constants, mkdir, mkdtemp, readFile, rm } from "node:fs/promises";
import { userInfo } from "node:os";
import { delimiter, join } from "node:path";
import { CbError, messageOf } from "../../core/errors.ts";
import { clearData, makeFolder } from "./folder.ts";
import type { Weakness } from "./launch.ts";
import { runInSandbox } from "./run.ts";
import { freeRange, IDS_NEEDED, ownRanges } from "./subordinate-ids.ts";

interface MissingPrerequisite {
  /** The missing program, setting or right, in a few words. */
  readonly requirement: string;
  /** Why sandboxes need it, with the message of the check that failed. */
  readonly reason: string;
  /** The command that fixes it, or an instruction when no command does. */
  readonly remedy: string;
  readonly needsRoot: boolean;
  /** The Debian packages that `remedy` installs; absent when it installs none. */
  readonly packages?: readonly string[];
  /** The weakness that a configuration can allow instead. Absent: the requirement is mandatory. */
  readonly weakness?: Weakness;
}

export interface PrerequisiteOptions {
  /** Folder in which sandboxes get their folders. It is created if it does not exist. */
  readonly stateDir: string;
  /** A root file system, if there is one already: then the check starts a whole sandbox, with its egress filter. */
  readonly rootfs?: string;
}

/** Programs that the shell stages call, with the Debian package and its purpose. Debian's essential packages are left out. */
const PROGRAMS: readonly (readonly [string, string, string])[] = [
  ["newuidmap", "uidmap", "maps subordinate user and group ids into a sandbox"],
  ["newgidmap", "uidmap", "maps subordinate user and group ids into a sandbox"],
  ["slirp4netns", "slirp4netns", "connects a sandbox to the network without root rights"],
  ["mmdebstrap", "mmdebstrap", "makes the builder's root file system"],
  ["mount", "mount", "assembles a sandbox's file system"],
  ["unshare", "util-linux", "creates the namespaces of a sandbox"],
  ["setpriv", "util-linux", "changes the user and group ids between the stages"],
  ["pivot_root", "util-linux", "detaches a sandbox from the host's file system"],
  ["flock", "util-linux", "lets only one process make a root file system at a time"],
];

/**
 * Returns the requirements that are not met, in the order in which to fix them. The trials run only when all simple checks
 * pass, because they depend on them. Throws the file system's error when `stateDir` cannot be created.
 */
async function missingPrerequisites({ stateDir, rootfs }: PrerequisiteOptions): Promise<MissingPrerequisite[]> {
  const simple = [
    ...(await missingPrograms()),
    ...(await missingIds()),
    ...(await closedSettings()),
    ...(await closedTun()),
  ];
  if (simple.length > 0) return simple;
  await mkdir(stateDir, { recursive: true, mode: 0o700 });
  const failed = await failedTrials(stateDir);
  return failed.length > 0 || rootfs === undefined ? failed : await failedSandbox(rootfs);
}

/** Throws CbError "config" with each requirement that is not met, its reason, and the command that meets it. */
export async function requirePrerequisites(options: PrerequisiteOptions): Promise<void> {
  const missing = await missingPrerequisites(options);
  if (missing.length === 0) return;
  const lines = missing.map(
    ({ requirement, reason, remedy, needsRoot }) =>
      `  ${requirement}: ${reason}\n    ${needsRoot ? "sudo " : ""}${remedy}`,
  );
  throw new CbError("config", `sandboxes cannot be created on this machine; it lacks\n${lines.join("\n")}`);
}

/** Starts a sandbox with network, which needs everything that a builder needs. */
async function failedSandbox(rootfs: string): Promise<MissingPrerequisite[]> {
  try {
    await runInSandbox({ rootfs, command: ["true"], network: true, stdio: "pipe" });
    return [];
  } catch (error) {
    const unfiltered = messageOf(error).includes("nft could not load the filter");
    return [
      {
        requirement: unfiltered ? "nf_tables in a user namespace" : "a sandbox with a network",
        reason: `${unfiltered ? "its rules close the host's ports to a sandbox" : "builders run in one"} (${messageOf(error)})`,
        remedy: unfiltered ? "modprobe nf_tables" : "fix the failure that the message names; dmesg may show its cause",
        needsRoot: true,
        ...(unfiltered && { weakness: "egress-filter" }),
      },
    ];
  }
}

async function missingPrograms(): Promise<MissingPrerequisite[]> {
  const present = await Promise.all(PROGRAMS.map(([program]) => isInPath(program)));
  const missing = PROGRAMS.filter((_program, index) => !present[index]);
  if (missing.length === 0) return [];
  const packages = [...new Set(missing.map(([, name]) => name))];
  return [
    {
      requirement: `programs: ${missing.map(([program]) => program).join(", ")}`,
      reason: [...new Set(missing.map(([, name, purpose]) => `${name} ${purpose}`))].join("; "),
      remedy: `apt-get install --yes --no-install-recommends ${packages.join(" ")}`,
      needsRoot: true,
      packages,
    },
  ];
}

async function missingIds(): Promise<MissingPrerequisite[]> {
  const enough = (await ownRanges()).every((range) => range !== undefined && range.count >= IDS_NEEDED);
  if (enough) return [];
  const texts = await Promise.all(["/etc/subuid", "/etc/subgid"].map((path) => readFile(path, "utf8").catch(() => "")));
  const { first, count } = freeRange(texts);
  const block = `${first}-${first + count - 1}`;
  const { username } = userInfo();
  return [
    {
      requirement: `subordinate ids for ${username}`,
      reason: `root of a sandbox runs under an id without rights on the host; this takes ${IDS_NEEDED} ids in /etc/subuid and in /etc/subgid`,
      remedy: `usermod --add-subuids ${block} --add-subgids ${block} ${username}`,
      needsRoot: true,
    },
  ];
}

async function closedSettings(): Promise<MissingPrerequisite[]> {
  const reason = "sandboxes are built from user namespaces";
  const closed: [name: string, closedAt: string, open: string, rootToo: boolean][] = [
    ["user.max_user_namespaces", "0", "10000", true],
    ["kernel.unprivileged_userns_clone", "0", "1", false],
    ["kernel.apparmor_restrict_unprivileged_userns", "1", "0", false],
  ];
  const isRoot = process.getuid?.() === 0;
  const missing: MissingPrerequisite[] = [];
  for (const [name, closedAt, open, rootToo] of closed) {
    const value = await readFile(`/proc/sys/${name.replaceAll(".", "/")}`, "utf8").catch(() => undefined);
    if (value?.trim() !== closedAt || (isRoot && !rootToo)) continue;
    missing.push({
      requirement: `setting ${name}=${open}`,
      reason,
      remedy: `sysctl -w ${name}=${open}`,
      needsRoot: true,
    });
  }
  return missing;
}

async function closedTun(): Promise<MissingPrerequisite[]> {
  const device = "/dev/net/tun";
  const reason = "slirp4netns moves a sandbox's packets through it";
  try {
    await access(device, constants.R_OK | constants.W_OK);
    return [];
  } catch (error) {
    const absent = (error as NodeJS.ErrnoException).code === "ENOENT";
    const requirement = `${device} ${absent ? "does not exist" : "is closed to this user"}`;
    const remedy = absent ? "modprobe tun" : `chmod 0666 ${device}`;
    return [{ requirement, reason, remedy, needsRoot: true }];
  }
}

/** The failed requirement by exit code of the trial script. */
const TRIALS: ReadonlyMap<number, MissingPrerequisite> = new Map([
  [
    11,
    {
      requirement: "a new /proc in a user namespace",
      reason:
        "a sandbox has processes of its own; in a container, the kernel refuses to mount /proc while parts of it are masked",
      remedy: "run it outside a container, or start the container with --security-opt systempaths=unconfined (Docker)",
      needsRoot: true,
    },
  ],
  [
    12,
    {
      requirement: "an overlay mount in a user namespace, on the file system of the state folder",
      reason:
        "each sandbox writes to its own layer over the shared root file system; this takes Linux 5.11 and a local disk",
      remedy:
        "choose a state folder on a local file system (ext4, xfs, btrfs, tmpfs), not on NFS and not on an overlay",
      needsRoot: false,
    },
  ],
]);

const TRIAL = `
mount -t proc proc /proc || exit 11
mkdir -p upper/lower upper/top upper/merged work
mount -t overlay -o lowerdir=upper/lower,upperdir=upper/top,workdir=work,userxattr,volatile overlay upper/merged || exit 12`;

async function failedTrials(stateDir: string): Promise<MissingPrerequisite[]> {
  const folder = await mkdtemp(join(stateDir, ".trial-"));
  try {
    await makeFolder(folder);
    const { code, message } = await runTrial(join(folder, "data"));
    if (code === 0) return [];
    const known = TRIALS.get(code);
    if (known !== undefined) return [{ ...known, reason: `${known.reason} (${message})` }];
    return [
      {
        requirement: `a user namespace with subordinate ids: ${message}`,
        reason: "sandboxes are built from user namespaces",
        remedy:
          "in a container, start the container with the rights to create them; otherwise dmesg may show what forbids it",
        needsRoot: true,
      },
    ];
  } finally {
    await clearData(folder).catch(() => {});
    await rm(folder, { recursive: true, force: true });
  }
}

/** Resolves with the exit code of the trial script and the first line of its errors. */
function runTrial(cwd: string): Promise<{ code: number; message: string }> {
  const namespaces = ["--user", "--map-auto", "--setuid", "0", "--setgid", "0", "--mount", "--net", "--pid", "--fork"];
  return new Promise((resolve) => {
    execFile("unshare", [...namespaces, "bash", "-c", TRIAL], { cwd }, (error, _stdout, stderr) => {
      const code = error === null ? 0 : typeof error.code === "number" ? error.code : 1;
      resolve({ code, message: stderr.trim().split("\n")[0] ?? "" });
    });
  });
}

async function isInPath(program: string): Promise<boolean> {
  // The stages search these folders too, because a user's PATH often lacks /sbin.
  const folders = [...(process.env.PATH ?? "").split(delimiter), "/usr/sbin", "/sbin"];
  const checks = folders.map((folder) => access(join(folder, program), constants.X_OK));
  return await Promise.any(checks).then(
    () => true,
    () => false,
  );
}
