/**
 * Builders as disposable sandboxes on this machine: the provider for a workstation, the quick start and the tests.
 *
 * A sandbox outlives the process that created it. Its folder and its processes are the only record of it. The stages in
 * lib/provider/sandbox/scripts build the boundary and describe it.
 */
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { CbError } from "../../core/errors.ts";
import { isId } from "../../protocol/ids.ts";
import { checkSpec } from "../check-spec.ts";
import type { BuilderSpec, Machine, MachineListing, Provider } from "../provider.ts";
import { type Bounds, type BoundsPlan, describeBounds, planBounds, UNBOUNDED } from "./bounds.ts";
import type { HostPort } from "./egress.ts";
import { claimFolder, destroySandbox, identityOf, listFolders, readMetadata, sweepUnlisted } from "./folder.ts";
import { hostSupport } from "./host-support.ts";
import {
  type Bind,
  DEFAULT_LIMITS,
  type Device,
  hostNetworks,
  launchSandbox,
  type SandboxLimits,
  type Weakness,
} from "./launch.ts";
import { makeGroups, removeGroups } from "./make-groups.ts";
import { newestConsole, readMachine } from "./read-machine.ts";

export interface SandboxProviderOptions {
  /** Gets one folder per builder. Its file system needs space for builds, and must not be NFS, which supports no overlay. */
  readonly stateDir: string;
  /** Path that ensureRootfs returned. */
  readonly rootfs: string;
  readonly installation: string;
  /** Runs inside as root and reads /run/container-builder/user-data. */
  readonly agentCommand: readonly string[];
  readonly agentBinds: readonly Bind[];
  /** Name of the command in a fault. Default: "the agent". */
  readonly program?: string;
  /** TCP ports of the host that builders may reach, such as the port of NATS. All other ports of the host are closed. */
  readonly allowHostPorts: readonly HostPort[];
  /** Further networks that builders may not reach, such as a management network: "10.1.0.0/16". */
  readonly denyNetworks?: readonly string[];
  readonly limits?: SandboxLimits;
  /** Default: none. Those that this host cannot hold are left out, and check() names them. */
  readonly bounds?: Bounds;
  /** Default: none. */
  readonly devices?: readonly Device[];
  /** Parts of the boundary that may be absent on this host. Default: none. */
  readonly allowWeak?: readonly Weakness[];
  /** Limit for the kept output of a builder. At least the newest half of it is always there. */
  readonly consoleBytes?: number;
}

/** The host name inside is the same for all builders, because debootstrap copies it into the image. */
const INSIDE_HOSTNAME = "container-builder";
/** An agent prints a few KiB; the rest is for the stack traces of an agent that fails in a loop. */
const DEFAULT_CONSOLE_BYTES = 1024 * 1024;

export class SandboxProvider implements Provider {
  readonly #options: SandboxProviderOptions;

  constructor(options: SandboxProviderOptions) {
    this.#options = options;
  }

  async listMachines(signal: AbortSignal): Promise<MachineListing> {
    const { stateDir, installation, program = "the agent" } = this.#options;
    const folders = await listFolders(stateDir);
    const nowMs = Date.now();
    const results = await Promise.allSettled(folders.map((name) => readMachine(join(stateDir, name), nowMs, program)));
    signal.throwIfAborted();
    const machines = results
      .map((result): Machine | undefined => (result.status === "fulfilled" ? result.value : undefined))
      .filter((machine) => machine?.installation === installation)
      .filter((machine) => machine !== undefined);
    return { machines, complete: results.every(({ status }) => status === "fulfilled") };
  }

  async create(spec: BuilderSpec, signal: AbortSignal): Promise<void> {
    const { stateDir, rootfs, agentCommand, agentBinds, allowHostPorts } = this.#options;
    checkSpec(spec, this.#options.installation);
    signal.throwIfAborted();
    const refused = [...(await hostNetworks()), ...(this.#options.denyNetworks ?? [])];
    const host = `cb-${spec.builder.slice(0, 8)}`;
    await mkdir(stateDir, { recursive: true, mode: 0o700 });
    await sweepUnlisted(stateDir);
    const plan = await this.#planBounds(spec.builder);
    const metadata = { ...identityOf(spec), host, createdAtMs: Date.now() };
    if (!(await claimFolder(stateDir, metadata, plan.launch.groups))) return await this.#confirmSame(spec);
    try {
      await makeGroups(plan.groups);
      const child = await launchSandbox({
        folder: join(stateDir, spec.builder),
        rootfs,
        hostname: INSIDE_HOSTNAME,
        command: agentCommand,
        binds: [...agentBinds, ...plan.binds],
        network: { allowHostPorts, refused },
        limits: this.#options.limits ?? DEFAULT_LIMITS,
        bounds: plan.launch,
        devices: this.#options.devices ?? [],
        allowWeak: this.#options.allowWeak ?? [],
        userData: spec.userData,
        consoleBytes: this.#options.consoleBytes ?? DEFAULT_CONSOLE_BYTES,
        output: "ignore",
      });
      child.unref();
    } catch (error) {
      // A concurrent destroy may have removed the folder before the groups were made, and then no other call removes them.
      await removeGroups(plan.launch.groups);
      throw error;
    }
  }

  /** Returns a sentence about the bounds of each sandbox, and about those that do not hold on this host. */
  async check(): Promise<string> {
    const { bounds } = this.#options;
    return bounds === undefined ? "" : describeBounds(bounds, await hostSupport());
  }

  async destroy(builder: string, signal: AbortSignal): Promise<void> {
    if (!isId(builder)) throw new CbError("config", `not a builder id: ${builder}`);
    signal.throwIfAborted();
    await destroySandbox(this.#options.stateDir, builder);
  }

  async consoleOutput(builder: string, maxBytes: number, _signal: AbortSignal): Promise<Uint8Array> {
    if (!isId(builder)) throw new CbError("config", `not a builder id: ${builder}`);
    return await newestConsole(join(this.#options.stateDir, builder), maxBytes);
  }

  async #planBounds(builder: string): Promise<BoundsPlan> {
    const { bounds } = this.#options;
    return bounds === undefined ? UNBOUNDED : planBounds(`container-builder-${builder}`, bounds, await hostSupport());
  }

  /** Accepts a repeated create of the same attempt. Throws CbError "infrastructure" when the folder is of another attempt. */
  async #confirmSame(spec: BuilderSpec): Promise<void> {
    const existing = await readMetadata(join(this.#options.stateDir, spec.builder));
    if (existing?.attempt === spec.attempt) return;
    throw new CbError("infrastructure", `builder ${spec.builder} already exists, from another attempt`, {
      hint: "destroy it first",
    });
  }
}
