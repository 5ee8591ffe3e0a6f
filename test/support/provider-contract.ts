/** The tests that every provider must pass. The test file of each provider calls `providerContract`. */
import { randomUUID } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import type { Test } from "uvu";
import * as assert from "uvu/assert";
import type { BuilderSpec, Machine, Provider } from "../../lib/provider/provider.ts";
import { until } from "./until.ts";

export interface ContractSubject {
  readonly provider: Provider;
  readonly installation: string;
  /** Returns user data for a machine that prints `text` and keeps running. */
  readonly printAndStay: (text: string) => string;
  /** Returns the console text of a machine that got `printAndStay(text)`. Default: `text`. A fake machine prints a fixed text. */
  readonly expectedOutput?: (text: string) => string;
  /** User data that makes the agent of a machine exit at once, as a crash does. */
  readonly exitAtOnce: string;
  /** Called before the create of a machine that must fail, when its user data alone does not make it fail. */
  readonly arrangeFailure?: (spec: BuilderSpec) => Promise<void>;
  /** Returns the remains of a destroyed attempt: processes, mounts, folders. Empty when the destroy was complete. */
  readonly leftovers: (spec: BuilderSpec) => Promise<string[]>;
}

/** Time limit for a machine to start or to fail: a sandbox takes 0.3 s, an emulated machine up to a minute. */
const SETTLE_MS = 90_000;
const POLL_MS = 100;

/**
 * Waits until an attempt has left nothing. A first stage that had not written its supervisor file yet, such as that of a
 * concurrent create, exits some milliseconds later, when it finds that its folder is missing. Fails with the leftovers.
 */
export async function nothingLeft(leftovers: () => Promise<string[]>): Promise<void> {
  let left: string[] = [];
  await until("nothing is left", async () => {
    left = await leftovers();
    return left.length === 0;
  }).catch(() => assert.equal(left, []));
}

/** Adds the contract's tests to a suite. The first test calls `make`. */
export function providerContract(test: Test, make: () => Promise<ContractSubject>): void {
  let made: Promise<ContractSubject> | undefined;
  const subject = () => {
    made ??= make();
    return made;
  };

  test("create() makes a machine that listMachines() shows running with its identity, host and console", async () => {
    const { provider, installation, printAndStay, expectedOutput = unchanged, leftovers } = await subject();
    const beforeMs = Date.now();
    const spec = newSpec(installation, printAndStay("the machine runs"));
    await provider.create(spec, signal());
    const machine = await observedAs(provider, spec.builder, "running");
    const { userData: _secret, ...identity } = spec;
    assert.equal({ ...identity, status: "running" }, pick(machine, [...Object.keys(identity), "status"]));
    assert.match(machine.host, spec.builder.slice(0, 8));
    assert.ok(machine.createdAtMs >= beforeMs - 1000 && machine.createdAtMs <= Date.now() + 1000);
    assert.is(JSON.stringify(machine).includes("the machine runs"), false, "the listing must not contain user data");
    const printed = await untilPrinted(provider, spec.builder, expectedOutput("the machine runs"));
    assert.ok(printed.length > 0);
    assert.is((await provider.consoleOutput(spec.builder, 4, signal())).length, 4);
    await provider.destroy(spec.builder, signal());
    await observedGone(provider, spec.builder);
    await nothingLeft(() => leftovers(spec));
  });

  test("create() with the same attempt again makes one machine, with another attempt it throws", async () => {
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

  test("destroy() resolves directly after create(), when called twice at once, and for an unknown builder", async () => {
    const { provider, installation, printAndStay, leftovers } = await subject();
    await provider.destroy(randomUUID(), signal());
    const spec = newSpec(installation, printAndStay("short-lived"));
    await provider.create(spec, signal());
    await Promise.all([provider.destroy(spec.builder, signal()), provider.destroy(spec.builder, signal())]);
    await observedGone(provider, spec.builder);
    await provider.destroy(spec.builder, signal());
    await nothingLeft(() => leftovers(spec));
  });

  test("listMachines() shows a failed machine as error with a fault until it is destroyed", async () => {
    const { provider, installation, exitAtOnce, arrangeFailure, leftovers } = await subject();
    const spec = newSpec(installation, exitAtOnce);
    await arrangeFailure?.(spec);
    await provider.create(spec, signal());
    const machine = await observedAs(provider, spec.builder, "error");
    assert.ok((machine.fault ?? "").length > 0);
    await provider.destroy(spec.builder, signal());
    await observedGone(provider, spec.builder);
    await nothingLeft(() => leftovers(spec));
  });

  test("consoleOutput() of an unknown builder is empty", async () => {
    const { provider } = await subject();
    assert.is((await provider.consoleOutput(randomUUID(), 1000, signal())).length, 0);
  });
}

const unchanged = (text: string): string => text;

export function newSpec(installation: string, userData: string): BuilderSpec {
  return { installation, generation: "1", pool: "test", builder: randomUUID(), attempt: randomUUID(), userData };
}

/** Resolves with the machine when the listing shows it with that status. */
export async function observedAs(provider: Provider, builder: string, status: Machine["status"]): Promise<Machine> {
  let machine: Machine | undefined;
  return await pollUntil(
    async () => {
      const { machines } = await provider.listMachines(signal());
      machine = machines.find((candidate) => candidate.builder === builder);
      return machine?.status === status ? machine : undefined;
    },
    () => `machine ${builder} is not ${status}: ${JSON.stringify(machine)}`,
  );
}

/** Resolves when a complete listing does not show the machine. */
export async function observedGone(provider: Provider, builder: string): Promise<void> {
  await pollUntil(
    async () => {
      const { machines, complete } = await provider.listMachines(signal());
      return complete && !machines.some((machine) => machine.builder === builder) ? true : undefined;
    },
    () => `machine ${builder} is still listed`,
  );
}

/** Resolves with the console output when it contains `text`. */
export async function untilPrinted(provider: Provider, builder: string, text: string): Promise<string> {
  let printed = "";
  return await pollUntil(
    async () => {
      printed = Buffer.from(await provider.consoleOutput(builder, 1_000_000, signal())).toString();
      return printed.includes(text) ? printed : undefined;
    },
    () => `machine ${builder} did not print ${text}, but: ${printed}`,
  );
}

/** Calls `find` every POLL_MS until it returns a value. Throws an error with the text of `failure` after SETTLE_MS. */
async function pollUntil<T>(find: () => Promise<T | undefined>, failure: () => string): Promise<T> {
  const giveUpAtMs = performance.now() + SETTLE_MS;
  for (;;) {
    const found = await find();
    if (found !== undefined) return found;
    if (performance.now() > giveUpAtMs) throw new Error(failure());
    await delay(POLL_MS);
  }
}

/** A time limit for one call of a provider. */
export function signal(): AbortSignal {
  return AbortSignal.timeout(SETTLE_MS);
}

/** Resolves with the error that the promise is rejected with. Throws when it is fulfilled. */
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
