/** A provider that belongs to one process. After `kill` its calls are aborted, and none of them resolves. */
import type { Provider } from "../../../lib/provider/provider.ts";

const never = new Promise<never>(() => {});

export function killable(provider: Provider): { readonly provider: Provider; readonly kill: () => void } {
  const killed = new AbortController();
  const untilKilled = async <T>(signal: AbortSignal, call: (signal: AbortSignal) => Promise<T>): Promise<T> => {
    if (killed.signal.aborted) return never;
    try {
      const result = await call(AbortSignal.any([signal, killed.signal]));
      return killed.signal.aborted ? await never : result;
    } catch (error) {
      if (killed.signal.aborted) return never;
      throw error;
    }
  };
  const wrapped: Provider = {
    listMachines: (signal) => untilKilled(signal, (either) => provider.listMachines(either)),
    create: (spec, signal) => untilKilled(signal, (either) => provider.create(spec, either)),
    destroy: (builder, signal) => untilKilled(signal, (either) => provider.destroy(builder, either)),
    consoleOutput: (builder, maxBytes, signal) =>
      untilKilled(signal, (either) => provider.consoleOutput(builder, maxBytes, either)),
  };
  return { provider: wrapped, kill: () => killed.abort() };
}
