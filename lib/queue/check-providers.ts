/** Asks the providers, before anything is begun, whether what the configuration names is there. */
import type { Logger } from "pino";
import { CbError } from "../errors.ts";
import type { Provider } from "../provider/provider.ts";

/** A cloud answers the half dozen of questions in a second; one that is in trouble is not to hold up the start. */
const CHECK_MS = 30_000;

export type ProvidersByPool = ReadonlyMap<string, Provider>;

/** A line for each pool whose provider has limits. Throws CbError naming the pool; see Provider.check. */
export async function checkProviders(providers: ProvidersByPool, signal: AbortSignal): Promise<string[]> {
  const limit = AbortSignal.any([signal, AbortSignal.timeout(CHECK_MS)]);
  const lines: string[] = [];
  for (const [pool, provider] of providers) {
    const limits = await naming(pool, async () => provider.check?.(limit));
    if (limits) lines.push(`pool ${pool}: ${limits}`);
  }
  return lines;
}

/** The same for a start: a cloud that cannot be asked now may be there later, and its builders are there already. */
export async function checkAtStart(providers: ProvidersByPool, log: Logger, signal: AbortSignal): Promise<void> {
  for (const one of providers) {
    try {
      for (const line of await checkProviders(new Map([one]), signal)) log.info(line);
    } catch (error) {
      if (signal.aborted || isWrong(error)) throw error;
      log.warn({ err: error }, "a provider cannot be asked yet; the queue starts without its answer");
    }
  }
}

/** Only people can mend it. */
function isWrong(error: unknown): boolean {
  return !(error instanceof CbError) || error.kind === "config" || error.kind === "denied";
}

async function naming<T>(pool: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof CbError)) throw error;
    const { kind, message, hint, cause } = error;
    throw new CbError(kind, `pool ${pool}: ${message}`, { cause, ...(hint === undefined ? {} : { hint }) });
  }
}
