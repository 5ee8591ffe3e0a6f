/** A provider as one process sees it, until that is killed: then its calls are cut, and none of them returns. */
import type { Provider } from "../../../lib/provider/provider.ts";

const never = new Promise<never>(() => {});

export function mortal(provider: Provider): { readonly provider: Provider; readonly die: () => void } {
  const death = new AbortController();
  const living = async <T>(signal: AbortSignal, call: (cut: AbortSignal) => Promise<T>): Promise<T> => {
    if (death.signal.aborted) return never;
    try {
      const result = await call(AbortSignal.any([signal, death.signal]));
      return death.signal.aborted ? await never : result;
    } catch (error) {
      if (death.signal.aborted) return never;
      throw error;
    }
  };
  const seen: Provider = {
    listMachines: (signal) => living(signal, (cut) => provider.listMachines(cut)),
    create: (spec, signal) => living(signal, (cut) => provider.create(spec, cut)),
    destroy: (builder, signal) => living(signal, (cut) => provider.destroy(builder, cut)),
    consoleOutput: (builder, bytes, signal) => living(signal, (cut) => provider.consoleOutput(builder, bytes, cut)),
  };
  return { provider: seen, die: () => death.abort() };
}
