/**
 * Builders as virtual machines on this host: a workstation's own cloud, and how the builder image is tried.
 *
 * A machine is a sandbox in which QEMU runs (infra/image/machine). So QEMU is nobody on the host, what the machine sends passes the
 * sandbox's filter, and everything that a provider owes (machines that outlive the queue, their console, nothing left
 * behind) is the sandbox's.
 */
import { readFileSync } from "node:fs";
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { CbError } from "../../core/errors.ts";
import type { BuilderSpec, MachineListing, Provider } from "../provider.ts";
import type { HostPort } from "../sandbox/egress.ts";
import type { Weakness } from "../sandbox/launch.ts";
import { SandboxProvider } from "../sandbox/provider.ts";
import { MACHINE_FOLDER } from "../sandbox/scripts.ts";

export interface MachineOptions {
  /** One folder a machine is made in it, its disk too. On a disk with room for builds. */
  readonly stateDir: string;
  /** From ensureRootfs, for the purpose `machine`. */
  readonly rootfs: string;
  /** From ensureDiskImage. */
  readonly disk: string;
  readonly installation: string;
  readonly cores: number;
  /** Of the machine. Under emulation its QEMU takes some 350 MiB more, 256 at most for translations; 313 were seen beside 2 GiB. */
  readonly memoryMib: number;
  /** As the machine sees its disk; what it does not write takes no room. */
  readonly diskGib: number;
  /** `auto`: KVM where a guest really runs by it, else emulation. */
  readonly acceleration: "auto" | "kvm" | "tcg";
  /** Default: /dev/kvm. */
  readonly kvm?: string;
  /** The host's ports that machines may reach: 10.0.2.2 is its loopback. */
  readonly allowHostPorts: readonly HostPort[];
  readonly allowWeak: readonly Weakness[];
}

/** Where run.sh finds the image that the machine's disk starts from. */
const DISK_INSIDE = "/opt/container-builder/disk.raw";

export class MachineProvider implements Provider {
  readonly #sandboxes: SandboxProvider;
  readonly #disk: string;

  constructor(options: MachineOptions) {
    const { cores, memoryMib, diskGib, acceleration, kvm = "/dev/kvm", disk, ...shared } = options;
    const script = readFileSync(join(MACHINE_FOLDER, "run.sh"), "utf8");
    this.#disk = disk;
    this.#sandboxes = new SandboxProvider({
      ...shared,
      agentCommand: ["bash", "-c", script, "machine", ...[cores, memoryMib, diskGib].map(String), acceleration],
      agentBinds: [{ from: disk, to: DISK_INSIDE }],
      // With 0 it switched itself off, which it does when its agent ends.
      program: "the machine",
      devices: acceleration === "tcg" ? [] : [{ name: "kvm", path: kvm }],
    });
  }

  listMachines(signal: AbortSignal): Promise<MachineListing> {
    return this.#sandboxes.listMachines(signal);
  }

  /** Throws CbError "config" when the disk image is not there, and as SandboxProvider does. */
  async create(spec: BuilderSpec, signal: AbortSignal): Promise<void> {
    await stat(this.#disk).catch((cause) => {
      const hint = "make it with: npm run disk -- FILE.raw, or cb-local up --provider qemu";
      throw new CbError("config", `there is no disk image ${this.#disk}`, { hint, cause });
    });
    await this.#sandboxes.create(spec, signal);
  }

  destroy(builder: string, signal: AbortSignal): Promise<void> {
    return this.#sandboxes.destroy(builder, signal);
  }

  consoleOutput(builder: string, maxBytes: number, signal: AbortSignal): Promise<Uint8Array> {
    return this.#sandboxes.consoleOutput(builder, maxBytes, signal);
  }
}
