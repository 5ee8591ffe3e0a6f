/**
 * What a provider of builders must do. A provider knows machines and nothing of builds: it lists them, makes them,
 * destroys them, and shows what they printed. One contract test runs against every provider there is.
 */

import { CbError } from "../core/errors.ts";
import type { ErrorKind } from "../core/exit-codes.ts";

/** The identity a machine carries for its whole life, so that a listing alone says whose it is. */
export interface MachineIdentity {
  /** The installation that made it: two queues on one cloud do not touch each other's machines. */
  readonly installation: string;
  /** The generation of the queue's records; it changes when records are lost or restored from a backup. */
  readonly generation: string;
  readonly pool: string;
  /** UUID of the builder; also its name in NATS subjects. */
  readonly builder: string;
  /** UUID of this one create call: a create whose reply was lost is looked up by it. */
  readonly attempt: string;
}

/** nova takes 65535 characters of user_data, which is the text in base64: four for each three bytes. */
export const USER_DATA_MAX_BYTES = 49_149;

export interface BuilderSpec extends MachineIdentity {
  /** What the agent reads when it starts, a JSON text of at most USER_DATA_MAX_BYTES. Secret. */
  readonly userData: string;
}

/**
 * `booting`: accepted, not known to run. `running`: powered on. `error`: will never run, or has stopped.
 * `destroying`: on its way out, still counts as existing.
 */
export type MachineStatus = "booting" | "running" | "error" | "destroying";

export interface Machine extends MachineIdentity {
  readonly status: MachineStatus;
  /** Name or address for people to read; nothing connects to it. Empty while it has none. */
  readonly host: string;
  readonly createdAtMs: number;
  /** Why it is in `error`, in the provider's words. */
  readonly fault?: string;
}

export interface MachineListing {
  /** When the listing was started, by this machine's clock, where that was before it was asked for: shared or kept. */
  readonly startedAtMs?: number;
  readonly machines: readonly Machine[];
  /** False when the listing was cut short: what is missing from it may still exist. */
  readonly complete: boolean;
  /** Why it is not complete, a sentence for operators. */
  readonly problem?: string;
}

/**
 * The provider has said no: nothing was made, and nothing will come of it later. What passes by itself, or when people
 * raise a bound, is a limit; its message is the reason for waiting, as "quota, 20 of 20 instances".
 */
export class RefusedError extends CbError {
  readonly limit: "quota" | "rate" | undefined;
  /** How long the provider asks to be left alone. */
  readonly retryAfterMs: number | undefined;

  constructor(kind: ErrorKind, message: string, options: RefusalOptions = {}) {
    super(kind, message, options);
    this.limit = options.limit;
    this.retryAfterMs = options.retryAfterMs;
  }
}

interface RefusalOptions {
  readonly hint?: string;
  readonly cause?: unknown;
  readonly limit?: "quota" | "rate";
  readonly retryAfterMs?: number | undefined;
}

export interface Provider {
  /** Everything that carries this installation's mark, in one look. Throws CbError. */
  listMachines(signal: AbortSignal): Promise<MachineListing>;
  /**
   * Accepted, not finished. Idempotent by `spec.attempt`. Throws RefusedError where nothing was made, any other CbError
   * where that is not known: then a machine may still appear in the listing.
   */
  create(spec: BuilderSpec, signal: AbortSignal): Promise<void>;
  /** Resolves when the provider has accepted it, and too if the machine is already gone. */
  destroy(builder: string, signal: AbortSignal): Promise<void>;
  /**
   * Asks whether all that the configuration names is there, and resolves with what is used of the provider's limits. Throws
   * CbError "config" naming each setting that is wrong and what exists instead, another kind where it cannot be told now.
   */
  check?(signal: AbortSignal): Promise<string>;
  /** The newest `maxBytes` of what the machine printed, for the operator. Empty if there is nothing. */
  consoleOutput(builder: string, maxBytes: number, signal: AbortSignal): Promise<Uint8Array>;
}
