/** A cloud in which a machine goes when the test lets it, and is made unless the test refuses it. */
import type { CbError } from "../../../lib/core/errors.ts";
import type { BuilderSpec, Machine, MachineListing, Provider } from "../../../lib/provider/provider.ts";

const never = new Promise<never>(() => {});

export class LabCloud {
  readonly machines = new Map<string, Machine>();
  /** False: what is destroyed stays in the listing, on its way out. */
  letsGo = true;
  /** False: what is made goes on booting. */
  boots = true;
  /** Why it makes no machine; undefined: it does. */
  refusal: CbError | undefined;

  /** As one process sees it, until that dies: then no call of it has any effect, and none returns. */
  facade(): { readonly provider: Provider; readonly die: () => void } {
    let alive = true;
    const living = <T>(work: () => T): Promise<T> => (alive ? Promise.resolve().then(work) : never);
    const provider: Provider = {
      listMachines: () => living((): MachineListing => ({ machines: [...this.machines.values()], complete: true })),
      create: (spec) => living(() => this.#create(spec)),
      destroy: (builder) => living(() => this.#destroy(builder)),
      consoleOutput: () => living(() => new Uint8Array()),
    };
    const die = () => {
      alive = false;
    };
    return { provider, die };
  }

  /** What is on its way out is gone, and so is what is destroyed from now on. */
  letGo(): void {
    this.letsGo = true;
    for (const { builder, status } of this.machines.values())
      if (status === "destroying") this.machines.delete(builder);
  }

  /** What is booting is up, and so is what is made from now on. */
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
    if (this.letsGo) this.machines.delete(builder);
    else if (machine !== undefined) this.machines.set(builder, { ...machine, status: "destroying" });
  }
}
