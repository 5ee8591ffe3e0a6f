/**
 * Builders as virtual machines on this host: for a workstation without a cloud, and for tests of the builder image.
 *
 * A machine is a sandbox in which QEMU runs (infra/image/machine). Therefore QEMU runs under a subordinate id of the host, the
 * sandbox's egress filter applies to the machine's packets, and the sandbox provider does the rest: machines that outlive the
 * queue, their console output, and complete removal.
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
  /** Gets one folder per machine, with the machine's disk. Its file system needs space for builds. */
  readonly stateDir: string;
  /** Path that ensureRootfs returned for the purpose `machine`. */
  readonly rootfs: string;
  /** Path that ensureDiskImage returned. */
  readonly disk: string;
  readonly installation: string;
  readonly cores: number;
  /**
   * Memory of the machine. Under emulation QEMU needs some 350 MiB more: at most 256 for translated code; 313 were measured
   * with a machine of 2 GiB.
   */
  readonly memoryMib: number;
  /** Size of the disk that the machine sees. Blocks that it does not write take no space on the host. */
  readonly diskGib: number;
  /** `auto`: KVM when a guest actually runs with it, otherwise emulation. */
  readonly acceleration: "auto" | "kvm" | "tcg";
  /** Default: /dev/kvm. */
  readonly kvm?: string;
  /** TCP ports of the host that machines may reach. 10.0.2.2 is the host's loopback. */
  readonly allowHostPorts: readonly HostPort[];
  readonly allowWeak: readonly Weakness[];
}

/** Path inside the sandbox at which run.sh finds the disk image, the base of the machine's overlay. */
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
      // QEMU exits with 0 when the machine switches itself off, which its init does when the agent exits.
      program: "the machine",
      devices: acceleration === "tcg" ? [] : [{ name: "kvm", path: kvm }],
    });
  }

  listMachines(signal: AbortSignal): Promise<MachineListing> {
    return this.#sandboxes.listMachines(signal);
  }

  /** Throws CbError "config" when the disk image does not exist, and the errors of SandboxProvider.create. */
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
