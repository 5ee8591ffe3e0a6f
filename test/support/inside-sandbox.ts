/** Runs scripts as root of a sandbox, in the place of the agent. */
import * as assert from "uvu/assert";
import type { Provider } from "../../lib/provider/provider.ts";
import { newSpec, observedAs, signal } from "./provider-contract.ts";

/** The agent of a provider that runs its user data as a script. */
export const SCRIPT_AGENT = ["bash", "/run/container-builder/user-data"];

/** Runs a script to its end and resolves with its output. */
export async function inside(provider: Provider, script: string): Promise<string> {
  const spec = newSpec("test", `${script}\necho "the end"`);
  try {
    await provider.create(spec, signal());
    await observedAs(provider, spec.builder, "error");
    const printed = Buffer.from(await provider.consoleOutput(spec.builder, 1_000_000, signal())).toString();
    assert.match(printed, "the end", "the script ran to its end");
    return printed;
  } finally {
    await provider.destroy(spec.builder, signal());
  }
}

/** Returns a script that runs each attempt and prints whether it succeeded. */
export function allOf(attempts: Record<string, string>): string {
  return Object.entries(attempts)
    .map(([name, attempt]) => `if (${attempt}); then echo "SUCCEEDED ${name}"; else echo "failed ${name}"; fi`)
    .join("\n");
}

/** Returns the lines of the attempts that succeeded. */
export function succeeded(printed: string): string[] {
  return printed.match(/^SUCCEEDED .*/gm) ?? [];
}
