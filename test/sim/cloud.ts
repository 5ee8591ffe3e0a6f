/**
 * A simulated cloud with delays, failures, lost replies, late machines, and machines that break, vanish or never boot.
 */

import type { Clock } from "../../lib/core/clock.ts";
import { CbError } from "../../lib/core/errors.ts";
import {
  type BuilderSpec,
  type Machine,
  type MachineListing,
  type Provider,
  RefusedError,
} from "../../lib/provider/provider.ts";
import type { Random } from "./random.ts";

export interface SimMachine extends Machine {
  /** Its agent sends requests. */
  awake: boolean;
}

export interface CloudEvents {
  /** Called just before a create or a destroy takes effect. */
  readonly created: (spec: BuilderSpec) => void;
  readonly destroyed: (builder: string) => void;
}

export class SimCloud implements Provider {
  readonly machines = new Map<string, SimMachine>();
  /** Probability of each kind of failure. */
  faultRate = 0;
  /** How many machines may exist. */
  quota = Number.POSITIVE_INFINITY;
  /** How many creates the quota has refused. */
  refused = 0;
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #events: CloudEvents;
  readonly #attempts = new Set<string>();

  constructor(clock: Clock, random: Random, events: CloudEvents) {
    this.#clock = clock;
    this.#random = random;
    this.#events = events;
  }

  async listMachines(): Promise<MachineListing> {
    await this.#delay(5, 400);
    this.#mayFail("the listing failed");
    const machines = [...this.machines.values()].map((machine) => ({ ...machine }));
    await this.#delay(5, 400);
    if (!this.#random.chance(this.faultRate)) return { machines, complete: true };
    return { machines: machines.filter(() => this.#random.chance(0.5)), complete: false };
  }

  async create(spec: BuilderSpec): Promise<void> {
    await this.#delay(10, 2_000);
    if (this.machines.size >= this.quota) {
      this.refused++;
      throw new RefusedError("infrastructure", "simulated quota", { limit: "quota" });
    }
    if (this.#random.chance(this.faultRate)) throw new RefusedError("infrastructure", "simulated: refused");
    // Longer than the call's time limit, and still within the grace.
    if (this.#random.chance(this.faultRate)) await this.#delay(1_000, 50_000);
    this.#make(spec);
    await this.#delay(10, 500);
    this.#mayFail("the reply to the create was lost");
  }

  async destroy(builder: string): Promise<void> {
    await this.#delay(10, 1_000);
    this.#mayFail("the destroy was refused");
    this.#events.destroyed(builder);
    const machine = this.machines.get(builder);
    if (machine) {
      machine.awake = false;
      this.machines.set(builder, { ...machine, status: "destroying" });
      void this.#after(this.#random.between(0, 5_000), () => this.machines.delete(builder));
    }
    this.#mayFail("the reply to the destroy was lost");
  }

  async consoleOutput(): Promise<Uint8Array> {
    return new TextEncoder().encode("simulated console");
  }

  /** Adds a machine that the pool did not create. */
  plant(machine: Machine): void {
    this.machines.set(machine.builder, { ...machine, awake: false });
  }

  /** The machine falls silent, enters the error state, or vanishes. */
  harm(builder: string): void {
    const machine = this.machines.get(builder);
    if (!machine || machine.status === "destroying") return;
    const kind = this.#random.between(0, 2);
    if (kind === 0) machine.awake = false;
    if (kind === 1) this.machines.set(builder, { ...machine, status: "error", fault: "simulated", awake: false });
    if (kind === 2) this.machines.delete(builder);
  }

  #make(spec: BuilderSpec): void {
    if (this.#attempts.has(spec.attempt)) return;
    this.#attempts.add(spec.attempt);
    const { userData: _, ...identity } = spec;
    const createdAtMs = this.#clock.nowMs();
    this.machines.set(spec.builder, { ...identity, status: "booting", host: "", createdAtMs, awake: false });
    this.#events.created(spec);
    if (this.#random.chance(this.faultRate)) return;
    void this.#after(this.#random.between(1_000, 20_000), () => {
      const machine = this.machines.get(spec.builder);
      if (machine?.status !== "booting") return;
      this.machines.set(spec.builder, { ...machine, status: "running", host: `sim-${spec.builder}`, awake: true });
    });
  }

  async #after(ms: number, work: () => void): Promise<void> {
    await this.#clock.sleep(ms);
    work();
  }

  async #delay(low: number, high: number): Promise<void> {
    await this.#clock.sleep(this.#random.between(low, high));
  }

  #mayFail(message: string): void {
    if (this.#random.chance(this.faultRate)) throw new CbError("infrastructure", `simulated: ${message}`);
  }
}
