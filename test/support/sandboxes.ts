/** Removes the sandboxes of tests, which outlive a test that is interrupted, and finds what a destroy left behind. */
import { rm } from "node:fs/promises";
import { join } from "node:path";
import type { BuilderSpec, MachineListing, Provider } from "../../lib/provider/provider.ts";
import { readSupervisor } from "../../lib/provider/sandbox/folder.ts";
import { processesOf, type Supervisor } from "../../lib/provider/sandbox/processes.ts";

/** Passes all calls on to a provider, and records the supervisors of the sandboxes that it destroys. */
export class RecordingProvider implements Provider {
  readonly #provider: Provider;
  readonly #stateDir: string;
  readonly #destroyed: Supervisor[] = [];

  constructor(provider: Provider, stateDir: string) {
    this.#provider = provider;
    this.#stateDir = stateDir;
  }

  listMachines(signal: AbortSignal): Promise<MachineListing> {
    return this.#provider.listMachines(signal);
  }

  create(spec: BuilderSpec, signal: AbortSignal): Promise<void> {
    return this.#provider.create(spec, signal);
  }

  async destroy(builder: string, signal: AbortSignal): Promise<void> {
    const supervisor = await readSupervisor(join(this.#stateDir, builder));
    if (supervisor !== undefined) this.#destroyed.push(supervisor);
    await this.#provider.destroy(builder, signal);
  }

  consoleOutput(builder: string, maxBytes: number, signal: AbortSignal): Promise<Uint8Array> {
    return this.#provider.consoleOutput(builder, maxBytes, signal);
  }

  /** Returns the living processes of the destroyed sandboxes. */
  async processesLeft(): Promise<number[]> {
    return (await Promise.all(this.#destroyed.map(processesOf))).flat();
  }
}

export async function destroyAll(provider: Provider): Promise<void> {
  const { machines } = await provider.listMachines(AbortSignal.timeout(60_000));
  for (const { builder } of machines) await provider.destroy(builder, AbortSignal.timeout(60_000));
}

/**
 * On SIGINT and SIGTERM: calls `also`, destroys the machines of these providers, removes the folder, and exits with the
 * signal's exit code.
 */
export function cleanUpWhenInterrupted(folder: string, providers: readonly Provider[], also = () => {}): void {
  const cleanUp = async (code: number) => {
    try {
      also();
      for (const provider of providers) await destroyAll(provider);
      await rm(folder, { recursive: true, force: true });
    } finally {
      process.exit(code);
    }
  };
  process.once("SIGINT", () => void cleanUp(130));
  process.once("SIGTERM", () => void cleanUp(143));
}
