/** What every provider must do, as tests. A provider's own test file calls this with a way to make one. */
import { randomUUID } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import type { Test } from "uvu";
import * as assert from "uvu/assert";
import type { BuilderSpec, Machine, Provider } from "../../lib/provider/provider.ts";
import { until } from "./until.ts";

export interface ContractSubject {
  readonly provider: Provider;
  readonly installation: string;
  /** User data for a machine that prints this and stays. */
  readonly printAndStay: (text: string) => string;
  /** What a machine prints that was told to print this. Default: that; machines that run nothing print what they always do. */
  readonly expectedOutput?: (text: string) => string;
  /** User data for a machine whose agent ends at once, as one that crashes does. */
  readonly exitAtOnce: string;
  /** Called before such a machine is made, where user data alone does not end it. */
  readonly arrangeFailure?: (spec: BuilderSpec) => Promise<void>;
  /** What is left of an attempt that was destroyed: processes, mounts, folders. Empty if all is well. */
  readonly leftovers: (spec: BuilderSpec) => Promise<string[]>;
}

/** A machine gets this long to come up or to die: a sandbox takes 0.3 s, an emulated one up to a minute. */
const SETTLE_MS = 90_000;
const LOOK_MS = 100;

/**
 * A sandbox's first process that had not written itself down yet, as that of a create which came second, ends by itself where
 * it finds its folder gone, some milliseconds later. Fails with what is left.
 */
export async function nothingLeft(leftovers: () => Promise<string[]>): Promise<void> {
  let left: string[] = [];
  await until("nothing is left", async () => {
    left = await leftovers();
    return left.length === 0;
  }).catch(() => assert.equal(left, []));
}

/** Adds the contract's tests to a suite. `make` is called when the first test runs. */
export function providerContract(test: Test, make: () => Promise<ContractSubject>): void {
  let made: Promise<ContractSubject> | undefined;
  const subject = () => {
    made ??= make();
    return made;
  };

  test("create() makes a machine that observe() shows running with its identity, host and console", async () => {
    const { provider, installation, printAndStay, expectedOutput: printedFor = same, leftovers } = await subject();
    const beforeMs = Date.now();
    const spec = newSpec(installation, printAndStay("it is alive"));
    await provider.create(spec, signal());
    const machine = await observedAs(provider, spec.builder, "running");
    const { userData: _secret, ...identity } = spec;
    assert.equal({ ...identity, status: "running" }, pick(machine, [...Object.keys(identity), "status"]));
    assert.match(machine.host, spec.builder.slice(0, 8));
    assert.ok(machine.createdAtMs >= beforeMs - 1000 && machine.createdAtMs <= Date.now() + 1000);
    assert.is(JSON.stringify(machine).includes("it is alive"), false, "user data is not in the listing");
    const printed = await untilPrinted(provider, spec.builder, printedFor("it is alive"));
    assert.ok(printed.length > 0);
    assert.is((await provider.consoleOutput(spec.builder, 4, signal())).length, 4);
    await provider.destroy(spec.builder, signal());
    await observedGone(provider, spec.builder);
    await nothingLeft(() => leftovers(spec));
  });

  test("create() repeated with the same attempt makes one machine, with another attempt it throws", async () => {
    const { provider, installation, printAndStay, leftovers } = await subject();
    const spec = newSpec(installation, printAndStay("once"));
    await Promise.all([provider.create(spec, signal()), provider.create(spec, signal())]);
    await provider.create(spec, signal());
    const { machines } = await provider.listMachines(signal());
    assert.is(machines.filter(({ builder }) => builder === spec.builder).length, 1);
    await rejects(provider.create({ ...spec, attempt: randomUUID() }, signal()));
    await provider.destroy(spec.builder, signal());
    await observedGone(provider, spec.builder);
    await nothingLeft(() => leftovers(spec));
  });

  test("destroy() resolves at any time: at once, twice at a time, and for what never was", async () => {
    const { provider, installation, printAndStay, leftovers } = await subject();
    await provider.destroy(randomUUID(), signal());
    const spec = newSpec(installation, printAndStay("short-lived"));
    await provider.create(spec, signal());
    await Promise.all([provider.destroy(spec.builder, signal()), provider.destroy(spec.builder, signal())]);
    await observedGone(provider, spec.builder);
    await provider.destroy(spec.builder, signal());
    await nothingLeft(() => leftovers(spec));
  });

  test("observe() shows a machine that died as error with a fault until it is destroyed", async () => {
    const { provider, installation, exitAtOnce: die, arrangeFailure: doom, leftovers } = await subject();
    const spec = newSpec(installation, die);
    await doom?.(spec);
    await provider.create(spec, signal());
    const machine = await observedAs(provider, spec.builder, "error");
    assert.ok((machine.fault ?? "").length > 0);
    await provider.destroy(spec.builder, signal());
    await observedGone(provider, spec.builder);
    await nothingLeft(() => leftovers(spec));
  });

  test("consoleOutput() of what never was is empty", async () => {
    const { provider } = await subject();
    assert.is((await provider.consoleOutput(randomUUID(), 1000, signal())).length, 0);
  });
}

const same = (text: string): string => text;

export function newSpec(installation: string, userData: string): BuilderSpec {
  return { installation, generation: "1", pool: "test", builder: randomUUID(), attempt: randomUUID(), userData };
}

/** The machine when it has that status. */
export async function observedAs(provider: Provider, builder: string, status: Machine["status"]): Promise<Machine> {
  const giveUpAtMs = performance.now() + SETTLE_MS;
  for (;;) {
    const { machines } = await provider.listMachines(signal());
    const machine = machines.find((candidate) => candidate.builder === builder);
    if (machine?.status === status) return machine;
    if (performance.now() > giveUpAtMs) throw new Error(`${builder} is ${JSON.stringify(machine)} and not ${status}`);
    await delay(LOOK_MS);
  }
}

/** Resolves when a complete listing does not show it. */
export async function observedGone(provider: Provider, builder: string): Promise<void> {
  const giveUpAtMs = performance.now() + SETTLE_MS;
  for (;;) {
    const { machines, complete } = await provider.listMachines(signal());
    if (complete && !machines.some((machine) => machine.builder === builder)) return;
    if (performance.now() > giveUpAtMs) throw new Error(`${builder} does not go away`);
    await delay(LOOK_MS);
  }
}

export async function untilPrinted(provider: Provider, builder: string, text: string): Promise<string> {
  const giveUpAtMs = performance.now() + SETTLE_MS;
  for (;;) {
    const printed = Buffer.from(await provider.consoleOutput(builder, 1_000_000, signal())).toString();
    if (printed.includes(text)) return printed;
    if (performance.now() > giveUpAtMs) throw new Error(`${builder} did not print ${text}, but: ${printed}`);
    await delay(LOOK_MS);
  }
}

export function signal(): AbortSignal {
  return AbortSignal.timeout(SETTLE_MS);
}

export async function rejects(promise: Promise<unknown>): Promise<unknown> {
  const outcome = await promise.then(
    () => undefined,
    (error: unknown) => ({ error }),
  );
  if (outcome === undefined) throw new Error("expected a rejection");
  return outcome.error;
}

function pick(from: object, keys: readonly string[]): Record<string, unknown> {
  return Object.fromEntries(Object.entries(from).filter(([key]) => keys.includes(key)));
}
