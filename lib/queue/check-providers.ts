/** Checks before the start whether the configured providers can be reached, and have what the configuration names. */
import type { Logger } from "pino";
import { CbError } from "../core/errors.ts";
import type { Provider } from "../provider/provider.ts";

/** For `cb-queue --check`: a cloud answers the half dozen of requests within a second; the operator waits for a slow one. */
const CHECK_MS = 30_000;
/** At a start builds and their callers wait for the queue, so the check must end within some seconds. */
const START_MS = 5_000;

export type ProvidersByPool = ReadonlyMap<string, Provider>;

/**
 * A line for each pool with limits of its provider. Throws one CbError that names every pool with a failed check; its kind
 * is that of the first (see Provider.check), or "infrastructure" after `limitMs`.
 */
export async function checkProviders(
  providers: ProvidersByPool,
  signal: AbortSignal,
  limitMs = CHECK_MS,
): Promise<string[]> {
  const limit = AbortSignal.timeout(limitMs);
  const either = AbortSignal.any([signal, limit]);
  const checks = [...providers].map(([pool, provider]) =>
    withPoolName({ pool, limit, limitMs }, async () => {
      const limits = await provider.check?.(either);
      return limits ? [`pool ${pool}: ${limits}`] : [];
    }),
  );
  const results = await Promise.allSettled(checks);
  signal.throwIfAborted();
  const failures = results.flatMap((result) => (result.status === "rejected" ? [result.reason as unknown] : []));
  if (failures.length > 0) throw combined(failures);
  return results.flatMap((result) => (result.status === "fulfilled" ? result.value : []));
}

/**
 * The same at a start, with log lines. A cloud that cannot be reached is only logged: it may be reachable later, and its
 * builders run already. Throws CbError "config" and "denied", and the abort reason of `signal`.
 */
export async function checkAtStart(providers: ProvidersByPool, log: Logger, signal: AbortSignal): Promise<void> {
  const checkOne = async (entry: readonly [string, Provider]) => {
    try {
      for (const line of await checkProviders(new Map([entry]), signal, START_MS)) log.info({ pool: entry[0] }, line);
    } catch (error) {
      if (signal.aborted || needsOperator(error)) throw error;
      log.warn({ err: error, pool: entry[0] }, "a provider cannot be reached yet; the queue starts without this check");
    }
  };
  await Promise.all([...providers].map(checkOne));
}

/** Only an operator can fix it, or it is a bug. */
function needsOperator(error: unknown): boolean {
  return !(error instanceof CbError) || error.kind === "config" || error.kind === "denied";
}

interface PoolCheck {
  readonly pool: string;
  readonly limit: AbortSignal;
  readonly limitMs: number;
}

async function withPoolName<T>({ pool, limit, limitMs }: PoolCheck, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (limit.aborted) {
      const message = `pool ${pool}: the provider did not answer within ${limitMs / 1000} s`;
      throw new CbError("infrastructure", message, { cause: error });
    }
    if (!(error instanceof CbError)) throw error;
    const { kind, message, hint, cause } = error;
    throw new CbError(kind, `pool ${pool}: ${message}`, { cause, ...(hint === undefined ? {} : { hint }) });
  }
}

/** One error for all failures; a bug takes precedence. */
function combined(failures: readonly unknown[]): unknown {
  const [first, ...others] = failures;
  const bug = failures.find((failure) => !(failure instanceof CbError));
  if (bug !== undefined || !(first instanceof CbError) || others.length === 0) return bug ?? first;
  const { kind, hint } = first;
  const message = failures.map((failure) => (failure as CbError).message).join("\n");
  return new CbError(kind, message, { cause: first, ...(hint === undefined ? {} : { hint }) });
}
