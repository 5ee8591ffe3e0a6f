/** The simulated cloud of the QueueLab. The test can refuse creates, and delay boots and deletions. */
import type { CbError } from "../../../lib/core/errors.ts";
import type { BuilderSpec, Machine, MachineListing, Provider } from "../../../lib/provider/provider.ts";

const never = new Promise<never>(() => {});

export class LabCloud {
  readonly machines = new Map<string, Machine>();
  /** False: a destroyed machine stays in the listing as `destroying`. */
  deletes = true;
  /** False: a created machine stays in the listing as `booting`. */
  boots = true;
  /** The error of each create; undefined: creates succeed. */
  refusal: CbError | undefined;

  /** The provider of one queue process. After `kill` its calls have no effect and never resolve. */
  killableProvider(): { readonly provider: Provider; readonly kill: () => void } {
    let alive = true;
    const whileAlive = <T>(work: () => T): Promise<T> => (alive ? Promise.resolve().then(work) : never);
    const provider: Provider = {
      listMachines: () => whileAlive((): MachineListing => ({ machines: [...this.machines.values()], complete: true })),
      create: (spec) => whileAlive(() => this.#create(spec)),
      destroy: (builder) => whileAlive(() => this.#destroy(builder)),
      consoleOutput: () => whileAlive(() => new Uint8Array()),
    };
    const kill = () => {
      alive = false;
    };
    return { provider, kill };
  }

  /** Deletes the machines that are `destroying`; from now on a destroyed machine is deleted at once. */
  finishDeletions(): void {
    this.deletes = true;
    for (const { builder, status } of this.machines.values())
      if (status === "destroying") this.machines.delete(builder);
  }

  /** Boots the machines that are `booting`; from now on a created machine runs at once. */
  boot(): void {
    this.boots = true;
    for (const [builder, machine] of this.machines)
      if (machine.status === "booting") this.machines.set(builder, { ...machine, status: "running" });
  }

  #create({ userData: _, ...identity }: BuilderSpec): void {
    if (this.refusal !== undefined) throw this.refusal;
    const host = `lab-${identity.builder.slice(0, 8)}`;
    const status = this.boots ? "running" : "booting";
    this.machines.set(identity.builder, { ...identity, status, host, createdAtMs: 0 });
  }

  #destroy(builder: string): void {
    const machine = this.machines.get(builder);
    if (this.deletes) this.machines.delete(builder);
    else if (machine !== undefined) this.machines.set(builder, { ...machine, status: "destroying" });
  }
}
