/** Keeps tests from leaving sandboxes behind: they live on by themselves when the test that made them is interrupted. */
import { rm } from "node:fs/promises";
import type { Provider } from "../../lib/provider/provider.ts";

export async function destroyAll(provider: Provider): Promise<void> {
  const { machines } = await provider.listMachines(AbortSignal.timeout(60_000));
  for (const { builder } of machines) await provider.destroy(builder, AbortSignal.timeout(60_000));
}

/** On SIGINT and SIGTERM: destroys what these providers have, removes the folder, does `also`, and ends with the signal's exit code. */
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
