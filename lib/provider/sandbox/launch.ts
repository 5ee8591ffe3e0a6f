/** Starts the first stage of a sandbox in its folder, for a provider (provider.ts) and for a single command (run.ts). */
import { type ChildProcess, spawn } from "node:child_process";
import { open, readFile } from "node:fs/promises";
import { join } from "node:path";
import { CbError } from "../../core/errors.ts";
import { type EgressPolicy, egressRules, HOST_LOOPBACK, localNetworks, SANDBOX_RESOLVER } from "./egress.ts";
import { LAUNCH_SCRIPT } from "./scripts.ts";

/** A file or folder of the host, mounted inside the sandbox read-only. Its mode must allow others to read it. */
export interface Bind {
  readonly from: string;
  /** Absolute path inside. */
  readonly to: string;
}

/** A device of the host that the command inherits as an open descriptor. */
export interface Device {
  /**
   * The environment variable CB_OPENED of the command has "name=DESCRIPTOR" for each device, "name=absent" when the host has no
   * such file, or "name=closed" when it cannot be opened.
   */
  readonly name: string;
  /** Opened for reading and writing, with the rights of the user who runs the queue. */
  readonly path: string;
}

export interface SandboxLimits {
  /** Limit for the processes and threads of all ids inside together. */
  readonly processes: number;
  /** Limit for the open files of one process. A lower limit of the host stays in effect. */
  readonly files: number;
}

/** `make -j` of a large program runs a few hundred processes; apptainer and buildah run some tens of threads each. */
export const DEFAULT_LIMITS: SandboxLimits = { processes: 4096, files: 65_536 };

/**
 * Parts of the boundary that a configuration may allow to be absent, by name, because the kernel does not support them.
 * `egress-filter`: without nf_tables a sandbox reaches every port of the host.
 */
export type Weakness = "egress-filter";

/** The bounds of a sandbox that hold on this host. */
export interface LaunchBounds {
  /** Folders of the control groups that the sandbox enters. */
  readonly groups: readonly string[];
  /** Size of the sandbox's own file system; 0: it writes into its folder on the host's file system. */
  readonly diskMib: number;
  /** The memory limit, of which the sandbox's tmpfs may take a part; 0: none. */
  readonly memoryMib: number;
}

export interface SandboxLaunch {
  /** Created by makeFolder. */
  readonly folder: string;
  readonly rootfs: string;
  readonly hostname: string;
  /** Runs inside as root. */
  readonly command: readonly string[];
  readonly binds: readonly Bind[];
  /** `undefined`: the sandbox has its own loopback and no other network. */
  readonly network: EgressPolicy | undefined;
  readonly limits: SandboxLimits;
  readonly bounds: LaunchBounds;
  readonly devices: readonly Device[];
  readonly allowWeak: readonly Weakness[];
  /** Text of /run/container-builder/user-data inside. */
  readonly userData: string;
  /** Limit for the output that is kept in the folder. 0 sends the output to `output` instead. */
  readonly consoleBytes: number;
  readonly output: "ignore" | "inherit" | "pipe";
}

/**
 * Starts a sandbox that outlives this process. Resolves when the first stage runs and has received the user data. Throws
 * CbError "infrastructure" when bash cannot be started, "config" for an invalid bind or network.
 */
export async function launchSandbox(spec: SandboxLaunch): Promise<ChildProcess> {
  const status = await open(join(spec.folder, "status"), "a", 0o600);
  try {
    const child = spawn("bash", [LAUNCH_SCRIPT, ...spec.command], {
      cwd: spec.folder,
      // A session of its own: it outlives this process, processes.ts finds the stages by it, and it has no terminal.
      detached: true,
      env: environmentOf(spec),
      stdio: ["pipe", spec.output, spec.output, status.fd],
    });
    await new Promise<void>((resolve, reject) => {
      child.once("spawn", resolve);
      child.once("error", reject);
    });
    await sendToStdin(child, `${Buffer.byteLength(spec.userData)}\n${spec.userData}`);
    return child;
  } catch (cause) {
    throw new CbError("infrastructure", "cannot start a sandbox", { hint: "is bash installed?", cause });
  } finally {
    await status.close();
  }
}

/** Resolves when the whole text is in the pipe, so that the sandbox receives it even if this process is killed now. */
function sendToStdin(child: ChildProcess, text: string): Promise<void> {
  return new Promise((resolve) => {
    // A first stage that exits early closes the pipe. Its output has the reason, so EPIPE is ignored.
    child.stdin?.once("error", () => resolve());
    child.stdin?.end(text, resolve);
  });
}

/**
 * Returns the host's own addresses and networks, read for each sandbox because they change. Throws CbError "infrastructure" when
 * they cannot be read, because a sandbox without the filter must not start.
 */
export async function hostNetworks(): Promise<string[]> {
  const networks = localNetworks(await readFile("/proc/net/fib_trie", "utf8").catch(() => ""));
  if (networks.length > 0) return networks;
  throw new CbError("infrastructure", "cannot read the host's own addresses from /proc/net/fib_trie", {
    hint: "without them the egress filter is incomplete, so no sandbox is created; is /proc mounted?",
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
    CB_GROUPS: spec.bounds.groups.join("\n"),
    CB_DISK_MIB: String(spec.bounds.diskMib),
    CB_MEMORY_MIB: String(spec.bounds.memoryMib),
    CB_DEVICES: spec.devices.map(({ name, path }) => `${name}\t${path}`).join("\n"),
    CB_WEAK: spec.allowWeak.join(" "),
  };
}

function bindLine({ from, to }: Bind): string {
  const invalid = [from, to].find(
    (path) => /[\t\n]/.test(path) || !path.startsWith("/") || path.split("/").includes(".."),
  );
  if (invalid === undefined) return `${from}\t${to}`;
  throw new CbError("config", `cannot bind ${JSON.stringify(invalid)} into a sandbox`, {
    hint: "use an absolute path without `..`, tabs and line breaks",
  });
}
