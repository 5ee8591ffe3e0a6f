/**
 * Builders as throw-away sandboxes on this machine: the provider of a workstation, of the quick start, and of the tests.
 *
 * A sandbox lives on when the process that made it dies; its folder and its processes are the only record. What the
 * boundary is made of is told in lib/provider/sandbox/scripts, stage by stage.
 */
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { CbError } from "../../core/errors.ts";
import { isId } from "../../protocol/ids.ts";
import { checkSpec } from "../check-spec.ts";
import type { BuilderSpec, Machine, MachineListing, Provider } from "../provider.ts";
import { destroySandbox } from "./destroy.ts";
import type { HostPort } from "./egress.ts";
import {
  claimFolder,
  identityOf,
  listFolders,
  newestConsole,
  readMachine,
  readMetadata,
  sweepRemains,
} from "./folder.ts";
import {
  type Bind,
  DEFAULT_LIMITS,
  type Device,
  hostNetworks,
  launchSandbox,
  type SandboxLimits,
  type Weakness,
} from "./launch.ts";

export interface SandboxProviderOptions {
  /** One folder a builder is made in it. On a disk with room for builds; not on NFS, which cannot carry an overlay. */
  readonly stateDir: string;
  /** From ensureRootfs. */
  readonly rootfs: string;
  readonly installation: string;
  /** Run inside as root; reads /run/container-builder/user-data. */
  readonly agentCommand: readonly string[];
  readonly agentBinds: readonly Bind[];
  /** What a fault calls that which ended: "the agent", unless the command is none. */
  readonly program?: string;
  /** The host's ports that builders may reach, NATS above all. Everything else of the host is closed. */
  readonly allowHostPorts: readonly HostPort[];
  /** Further networks that builders may not reach, such as a management network: "10.1.0.0/16". */
  readonly denyNetworks?: readonly string[];
  readonly limits?: SandboxLimits;
  /** None by default. */
  readonly devices?: readonly Device[];
  /** What the boundary may lack here; nothing by default. */
  readonly allowWeak?: readonly Weakness[];
  /** What is kept of a builder's output, at most; the newest half at least is always there. */
  readonly consoleBytes?: number;
}

/** An agent prints a few KiB; the rest is room for the stack trace of one that fails in a loop. */
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
    const looked = await Promise.allSettled(folders.map((name) => readMachine(join(stateDir, name), nowMs, program)));
    signal.throwIfAborted();
    const machines = looked
      .map((look): Machine | undefined => (look.status === "fulfilled" ? look.value : undefined))
      .filter((machine) => machine?.installation === installation)
      .filter((machine) => machine !== undefined);
    return { machines, complete: looked.every(({ status }) => status === "fulfilled") };
  }

  async create(spec: BuilderSpec, signal: AbortSignal): Promise<void> {
    const { stateDir, rootfs, agentCommand, agentBinds, allowHostPorts } = this.#options;
    checkSpec(spec, this.#options.installation);
    signal.throwIfAborted();
    const refused = [...(await hostNetworks()), ...(this.#options.denyNetworks ?? [])];
    const host = `cb-${spec.builder.slice(0, 8)}`;
    await mkdir(stateDir, { recursive: true, mode: 0o700 });
    await sweepRemains(stateDir);
    if (!(await claimFolder(stateDir, { ...identityOf(spec), host, createdAtMs: Date.now() }))) {
      return await this.#confirmSame(spec);
    }
    const child = await launchSandbox({
      folder: join(stateDir, spec.builder),
      rootfs,
      hostname: host,
      command: agentCommand,
      binds: agentBinds,
      network: { allowHostPorts, refused },
      limits: this.#options.limits ?? DEFAULT_LIMITS,
      devices: this.#options.devices ?? [],
      allowWeak: this.#options.allowWeak ?? [],
      userData: spec.userData,
      consoleBytes: this.#options.consoleBytes ?? DEFAULT_CONSOLE_BYTES,
      output: "ignore",
    });
    child.unref();
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

  /** A repeated create is fine; another attempt under the same name is not. */
  async #confirmSame(spec: BuilderSpec): Promise<void> {
    const existing = await readMetadata(join(this.#options.stateDir, spec.builder));
    if (existing?.attempt === spec.attempt) return;
    throw new CbError("infrastructure", `builder ${spec.builder} exists already, from another attempt`, {
      hint: "destroy it first",
    });
  }
}
