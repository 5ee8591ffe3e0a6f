/** Starts the first shell stage of a sandbox in its folder, and clears the folder away: what a provider and a single run share. */
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { chmod, mkdir, open, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { CbError } from "../../core/errors.ts";
import { type EgressPolicy, egressRules, HOST_LOOPBACK, localNetworks, SANDBOX_RESOLVER } from "./egress.ts";
import { LAUNCH_SCRIPT } from "./scripts.ts";

/** A file or folder of the host that shows up inside, read-only. Its mode must let others read it. */
export interface Bind {
  readonly from: string;
  /** Absolute path inside. */
  readonly to: string;
}

/** A device of the host that the command gets as an open descriptor. */
export interface Device {
  /** In the command's environment `CB_OPENED` has "name=descriptor" for each, or "name=absent" or "name=closed". */
  readonly name: string;
  /** Opened for reading and writing, with the rights of whoever runs the queue. */
  readonly path: string;
}

export interface SandboxLimits {
  /** Processes and threads of all ids inside together. */
  readonly processes: number;
  /** Open files of one process; a lower limit of the host stays. */
  readonly files: number;
}

/** A build of a big program with `make -j` takes a few hundred; apptainer and buildah some tens of threads each. */
export const DEFAULT_LIMITS: SandboxLimits = { processes: 4096, files: 65_536 };

/**
 * Parts of the boundary that a configuration may do without, by name, where the kernel lacks what they need.
 * `egress-filter`: without nf_tables a sandbox reaches every port of the host.
 */
export type Weakness = "egress-filter";

export interface SandboxLaunch {
  /** Made by makeFolder. */
  readonly folder: string;
  readonly rootfs: string;
  readonly hostname: string;
  /** Run inside as root. */
  readonly command: readonly string[];
  readonly binds: readonly Bind[];
  /** `undefined`: no network but its own loopback. */
  readonly network: EgressPolicy | undefined;
  readonly limits: SandboxLimits;
  readonly devices: readonly Device[];
  readonly allowWeak: readonly Weakness[];
  /** Found inside at /run/container-builder/user-data. */
  readonly userData: string;
  /** What is kept of the output in the folder; 0 passes it to `output` instead. */
  readonly consoleBytes: number;
  readonly output: "ignore" | "inherit" | "pipe";
}

/** Makes a sandbox's folder, closed to everybody else. Its data/ is open to the sandbox's ids, which reach it by a mount. */
export async function makeFolder(folder: string): Promise<void> {
  await mkdir(join(folder, "data"), { recursive: true, mode: 0o700 });
  // The umask does not apply to chmod.
  await chmod(join(folder, "data"), 0o777);
}

/** Starts a sandbox that does not depend on this process. Resolves when the first stage runs. */
export async function launchSandbox(spec: SandboxLaunch): Promise<ChildProcess> {
  const status = await open(join(spec.folder, "status"), "a", 0o600);
  try {
    const child = spawn("bash", [LAUNCH_SCRIPT, ...spec.command], {
      cwd: spec.folder,
      // A session of its own: it outlives this process, its stages are found by it, and it has no terminal to type into.
      detached: true,
      env: environmentOf(spec),
      stdio: ["pipe", spec.output, spec.output, status.fd],
    });
    await new Promise<void>((resolve, reject) => {
      child.once("spawn", resolve);
      child.once("error", reject);
    });
    await handOver(child, `${Buffer.byteLength(spec.userData)}\n${spec.userData}`);
    return child;
  } catch (cause) {
    throw new CbError("infrastructure", "cannot start a sandbox", { hint: "is bash installed?", cause });
  } finally {
    await status.close();
  }
}

/** Resolves when the text is in the pipe, so that the sandbox gets all of it even if this process is killed now. */
function handOver(child: ChildProcess, text: string): Promise<void> {
  return new Promise((resolve) => {
    // A first stage that ends early closes the pipe; what it printed says why, so the broken pipe is no news.
    child.stdin?.once("error", () => resolve());
    child.stdin?.end(text, resolve);
  });
}

/** What the host itself answers to, asked anew for each sandbox. Throws CbError "infrastructure": no filter, no sandbox. */
export async function hostNetworks(): Promise<string[]> {
  const networks = localNetworks(await readFile("/proc/net/fib_trie", "utf8").catch(() => ""));
  if (networks.length > 0) return networks;
  throw new CbError("infrastructure", "cannot read the host's own addresses from /proc/net/fib_trie", {
    hint: "a sandbox must be kept from them, so none is made; is /proc mounted?",
  });
}

function environmentOf(spec: SandboxLaunch): Record<string, string> {
  const loopback = spec.network?.allowHostPorts.some(({ address }) => address === HOST_LOOPBACK) ?? false;
  return {
    PATH: `${process.env.PATH ?? ""}:/usr/sbin:/sbin:/usr/bin:/bin`,
    LC_ALL: "C",
    CB_ROOTFS: spec.rootfs,
    CB_BINDS: spec.binds.map(bindLine).join("\n"),
    CB_HOSTNAME: spec.hostname,
    CB_RULES: spec.network === undefined ? "" : egressRules(spec.network),
    CB_SLIRP: loopback ? "" : "--disable-host-loopback",
    CB_HOSTS: `127.0.0.1 localhost\n127.0.1.1 ${spec.hostname}\n`,
    CB_RESOLV: spec.network === undefined ? "" : `nameserver ${SANDBOX_RESOLVER}\n`,
    CB_CONSOLE_BYTES: String(spec.consoleBytes),
    CB_PROCESSES: String(spec.limits.processes),
    CB_FILES: String(spec.limits.files),
    CB_DEVICES: spec.devices.map(({ name, path }) => `${name}\t${path}`).join("\n"),
    CB_WEAK: spec.allowWeak.join(" "),
  };
}

function bindLine({ from, to }: Bind): string {
  const bad = [from, to].find((path) => /[\t\n]/.test(path) || !path.startsWith("/") || path.split("/").includes(".."));
  if (bad === undefined) return `${from}\t${to}`;
  throw new CbError("config", `cannot bind ${JSON.stringify(bad)} into a sandbox`, {
    hint: "use an absolute path without `..`, tabs and line ends",
  });
}

/** Empties the data/ of a sandbox's folder. What is in it belongs to subordinate ids, so their root does it. */
export async function clearData(folder: string): Promise<void> {
  const asTheirRoot = ["--user", "--map-auto", "--setuid", "0", "--setgid", "0"];
  const data = join(folder, "data");
  if ((await stat(data).catch(() => undefined)) === undefined) return;
  try {
    await promisify(execFile)("unshare", [...asTheirRoot, "rm", "-rf", "--", "upper", "work"], { cwd: data });
  } catch (cause) {
    throw new CbError("infrastructure", `cannot empty the sandbox folder ${data}`, { cause });
  }
}
