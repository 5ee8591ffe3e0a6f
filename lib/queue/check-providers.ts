/** Asks the providers, before anything is begun, whether what the configuration names is there. */
import type { Logger } from "pino";
import { CbError } from "../core/errors.ts";
import type { Provider } from "../provider/provider.ts";

/** A cloud answers the half dozen of questions in a second; one that is slow may be in trouble, and somebody waits. */
const CHECK_MS = 30_000;
/** Builds and their callers wait for a queue that starts, and it is to answer within some seconds. */
const START_MS = 5_000;

export type ProvidersByPool = ReadonlyMap<string, Provider>;

/** A line for each pool whose provider has limits. Throws CbError naming each pool that is not well; see Provider.check. */
export async function checkProviders(
  providers: ProvidersByPool,
  signal: AbortSignal,
  limitMs = CHECK_MS,
): Promise<string[]> {
  const limit = AbortSignal.timeout(limitMs);
  const either = AbortSignal.any([signal, limit]);
  const asked = [...providers].map(([pool, provider]) =>
    naming(pool, limit, async () => {
      const limits = await provider.check?.(either);
      return limits ? [`pool ${pool}: ${limits}`] : [];
    }),
  );
  const answers = await Promise.allSettled(asked);
  signal.throwIfAborted();
  const failures = answers.flatMap((answer) => (answer.status === "rejected" ? [answer.reason as unknown] : []));
  if (failures.length > 0) throw together(failures);
  return answers.flatMap((answer) => (answer.status === "fulfilled" ? answer.value : []));
}

/** The same for a start: a cloud that cannot be asked now may be there later, and its builders are there already. */
export async function checkAtStart(providers: ProvidersByPool, log: Logger, signal: AbortSignal): Promise<void> {
  const one = async (entry: readonly [string, Provider]) => {
    try {
      for (const line of await checkProviders(new Map([entry]), signal, START_MS)) log.info(line);
    } catch (error) {
      if (signal.aborted || isWrong(error)) throw error;
      log.warn({ err: error }, "a provider cannot be asked yet; the queue starts without its answer");
    }
  };
  await Promise.all([...providers].map(one));
}

/** Only people can mend it. */
function isWrong(error: unknown): boolean {
  return !(error instanceof CbError) || error.kind === "config" || error.kind === "denied";
}

async function naming<T>(pool: string, limit: AbortSignal, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (limit.aborted) throw new CbError("infrastructure", `pool ${pool}: no answer in time`, { cause: error });
    if (!(error instanceof CbError)) throw error;
    const { kind, message, hint, cause } = error;
    throw new CbError(kind, `pool ${pool}: ${message}`, { cause, ...(hint === undefined ? {} : { hint }) });
  }
}

/** One error for all; a bug goes before what people can mend. */
function together(failures: readonly unknown[]): unknown {
  const [first, ...others] = failures;
  const bug = failures.find((one) => !(one instanceof CbError));
  if (bug !== undefined || !(first instanceof CbError) || others.length === 0) return bug ?? first;
  const { kind, hint } = first;
  const words = failures.map((one) => (one as CbError).message).join("\n");
  return new CbError(kind, words, { cause: first, ...(hint === undefined ? {} : { hint }) });
}
