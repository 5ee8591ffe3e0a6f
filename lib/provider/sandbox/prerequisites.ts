/** What this machine lacks for sandboxes, each with the command that mends it. */
import { execFile } from "node:child_process";
import { access, constants, mkdir, mkdtemp, readFile, rm } from "node:fs/promises";
import { userInfo } from "node:os";
import { delimiter, join } from "node:path";
import { messageOf } from "../../core/errors.ts";
import { clearData, makeFolder, type Weakness } from "./launch.ts";
import { runInSandbox } from "./run.ts";
import { freeRange, IDS_NEEDED, ownRanges } from "./subordinate-ids.ts";

export interface Missing {
  /** What is missing, in a few words. */
  readonly what: string;
  readonly why: string;
  /** The command that mends it, or what to do where no command can. */
  readonly mend: string;
  readonly needsRoot: boolean;
  /** Debian packages that `mend` installs, if that is what it does. */
  readonly packages?: readonly string[];
  /** The weakness to allow for doing without; what has none cannot be done without. */
  readonly weakness?: Weakness;
}

export interface PrerequisiteOptions {
  /** Where sandboxes will have their folders. It is made if it is not there. */
  readonly stateDir: string;
  /** Where it exists already, the filter can be tried too. */
  readonly rootfs?: string;
}

/** Programs the shell stages call, with the Debian package and the reason. What is essential in Debian is left out. */
const PROGRAMS: readonly (readonly [string, string, string])[] = [
  ["newuidmap", "uidmap", "maps subordinate ids into a sandbox"],
  ["newgidmap", "uidmap", "maps subordinate ids into a sandbox"],
  ["slirp4netns", "slirp4netns", "connects a sandbox to the network without rights"],
  ["mmdebstrap", "mmdebstrap", "makes the builder rootfs"],
  ["mount", "mount", "builds a sandbox's file system"],
  ["unshare", "util-linux", "makes namespaces"],
  ["setpriv", "util-linux", "changes ids between the stages"],
  ["pivot_root", "util-linux", "leaves the host's file system"],
  ["flock", "util-linux", "keeps two from making one rootfs"],
];

/**
 * Everything that is missing, in the order to mend it. Deeper checks run only when what they rest on is there. Throws
 * what making `stateDir` throws.
 */
export async function missingPrerequisites({ stateDir, rootfs }: PrerequisiteOptions): Promise<Missing[]> {
  const plain = [
    ...(await missingPrograms()),
    ...(await missingIds()),
    ...(await closedSettings()),
    ...(await closedTun()),
  ];
  if (plain.length > 0) return plain;
  await mkdir(stateDir, { recursive: true, mode: 0o700 });
  const failed = await failedTrials(stateDir);
  return failed.length > 0 || rootfs === undefined ? failed : await failedSandbox(rootfs);
}

/** With a rootfs there is nothing better to try than a sandbox. */
async function failedSandbox(rootfs: string): Promise<Missing[]> {
  try {
    await runInSandbox({ rootfs, command: ["true"], network: true, stdio: "pipe" });
    return [];
  } catch (error) {
    const unfiltered = messageOf(error).includes("nft could not load the filter");
    return [
      {
        what: unfiltered ? "nf_tables in a user namespace" : "a sandbox with network",
        why: `${unfiltered ? "the filter keeps a sandbox from the host's ports" : "builders run in it"} (${messageOf(error)})`,
        mend: unfiltered ? "modprobe nf_tables" : "the message says what failed; dmesg may say why",
        needsRoot: true,
        ...(unfiltered && { weakness: "egress-filter" }),
      },
    ];
  }
}

async function missingPrograms(): Promise<Missing[]> {
  const present = await Promise.all(PROGRAMS.map(([program]) => isInPath(program)));
  const missing = PROGRAMS.filter((_program, index) => !present[index]);
  if (missing.length === 0) return [];
  const packages = [...new Set(missing.map(([, name]) => name))];
  return [
    {
      what: `programs: ${missing.map(([program]) => program).join(", ")}`,
      why: [...new Set(missing.map(([, name, why]) => `${name} ${why}`))].join("; "),
      mend: `apt-get install --yes --no-install-recommends ${packages.join(" ")}`,
      needsRoot: true,
      packages,
    },
  ];
}

async function missingIds(): Promise<Missing[]> {
  const enough = (await ownRanges()).every((range) => range !== undefined && range.count >= IDS_NEEDED);
  if (enough) return [];
  const texts = await Promise.all(["/etc/subuid", "/etc/subgid"].map((path) => readFile(path, "utf8").catch(() => "")));
  const { first, count } = freeRange(texts);
  const block = `${first}-${first + count - 1}`;
  const { username } = userInfo();
  return [
    {
      what: `subordinate ids for ${username}`,
      why: `root of a sandbox must be nobody on the host; that takes ${IDS_NEEDED} ids in /etc/subuid and /etc/subgid`,
      mend: `usermod --add-subuids ${block} --add-subgids ${block} ${username}`,
      needsRoot: true,
    },
  ];
}

async function closedSettings(): Promise<Missing[]> {
  const why = "sandboxes are made of user namespaces";
  const closed: [name: string, closedAt: string, open: string, rootToo: boolean][] = [
    ["user.max_user_namespaces", "0", "10000", true],
    ["kernel.unprivileged_userns_clone", "0", "1", false],
    ["kernel.apparmor_restrict_unprivileged_userns", "1", "0", false],
  ];
  const isRoot = process.getuid?.() === 0;
  const missing: Missing[] = [];
  for (const [name, closedAt, open, rootToo] of closed) {
    const value = await readFile(`/proc/sys/${name.replaceAll(".", "/")}`, "utf8").catch(() => undefined);
    if (value?.trim() !== closedAt || (isRoot && !rootToo)) continue;
    missing.push({ what: `setting ${name}=${open}`, why, mend: `sysctl -w ${name}=${open}`, needsRoot: true });
  }
  return missing;
}

async function closedTun(): Promise<Missing[]> {
  const device = "/dev/net/tun";
  const why = "slirp4netns moves a sandbox's packets through it";
  try {
    await access(device, constants.R_OK | constants.W_OK);
    return [];
  } catch (error) {
    const absent = (error as NodeJS.ErrnoException).code === "ENOENT";
    const mend = absent ? "modprobe tun" : `chmod 0666 ${device}`;
    return [{ what: `${device} ${absent ? "is not there" : "is closed to this user"}`, why, mend, needsRoot: true }];
  }
}

/** What the trial script says with its exit code. */
const TRIALS: ReadonlyMap<number, Missing> = new Map([
  [
    11,
    {
      what: "a /proc of its own in a user namespace",
      why: "a sandbox has its own processes; inside a container the kernel refuses when parts of /proc are masked",
      mend: "outside a container nothing masks it; with Docker: --security-opt systempaths=unconfined",
      needsRoot: true,
    },
  ],
  [
    12,
    {
      what: "an overlay in a user namespace, on the file system of the state folder",
      why: "each sandbox writes to a layer of its own over the shared rootfs; that takes Linux 5.11 and a local disk",
      mend: "choose a state folder on a local disk (ext4, xfs, btrfs, tmpfs), not on NFS and not on an overlay",
      needsRoot: false,
    },
  ],
]);

const TRIAL = `
mount -t proc proc /proc || exit 11
mkdir -p upper/lower upper/top upper/merged work
mount -t overlay -o lowerdir=upper/lower,upperdir=upper/top,workdir=work,userxattr,volatile overlay upper/merged || exit 12`;

async function failedTrials(stateDir: string): Promise<Missing[]> {
  const folder = await mkdtemp(join(stateDir, ".trial-"));
  try {
    await makeFolder(folder);
    const { code, said } = await tryOut(join(folder, "data"));
    if (code === 0) return [];
    const known = TRIALS.get(code);
    if (known !== undefined) return [{ ...known, why: `${known.why} (${said})` }];
    return [
      {
        what: `a user namespace with subordinate ids: ${said}`,
        why: "sandboxes are made of user namespaces",
        mend: "inside a container, run it with the rights to make them; else see dmesg for what forbids it",
        needsRoot: true,
      },
    ];
  } finally {
    await clearData(folder).catch(() => {});
    await rm(folder, { recursive: true, force: true });
  }
}

function tryOut(cwd: string): Promise<{ code: number; said: string }> {
  const namespaces = ["--user", "--map-auto", "--setuid", "0", "--setgid", "0", "--mount", "--net", "--pid", "--fork"];
  return new Promise((resolve) => {
    execFile("unshare", [...namespaces, "bash", "-c", TRIAL], { cwd }, (error, _stdout, stderr) => {
      const code = error === null ? 0 : typeof error.code === "number" ? error.code : 1;
      resolve({ code, said: stderr.trim().split("\n")[0] ?? "" });
    });
  });
}

async function isInPath(program: string): Promise<boolean> {
  // The stages look there too: a user's PATH often lacks /sbin.
  const folders = [...(process.env.PATH ?? "").split(delimiter), "/usr/sbin", "/sbin"];
  const tries = folders.map((folder) => access(join(folder, program), constants.X_OK));
  return await Promise.any(tries).then(
    () => true,
    () => false,
  );
}
