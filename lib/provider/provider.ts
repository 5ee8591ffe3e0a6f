/**
 * The interface of a provider of builders. A provider knows machines and no builds: it lists machines, creates them, destroys
 * them, and returns their console output. One contract test (test/support/provider-contract.ts) runs against every provider.
 */

import { CbError } from "../core/errors.ts";
import type { ErrorKind } from "../core/exit-codes.ts";

/** The identity that a machine carries for its whole life, so that a listing alone shows which records it belongs to. */
export interface MachineIdentity {
  /** The installation that created it. Two installations on one cloud do not touch each other's machines. */
  readonly installation: string;
  /** The generation of the queue's records. It changes when records are lost. */
  readonly generation: string;
  readonly pool: string;
  /** UUID of the builder; also its name in NATS subjects. */
  readonly builder: string;
  /** UUID of this create call. When the reply to a create is lost, the machine is found in the listing by this id. */
  readonly attempt: string;
}

/** nova accepts 65535 characters of user_data, which is the text in base64: four characters for each three bytes. */
export const USER_DATA_MAX_BYTES = 49_149;

export interface BuilderSpec extends MachineIdentity {
  /** JSON text that the agent reads when it starts, at most USER_DATA_MAX_BYTES. Secret. */
  readonly userData: string;
}

/**
 * `booting`: accepted, not known to run yet. `running`: powered on. `error`: will never run, or has stopped.
 * `destroying`: being deleted; it still counts as existing.
 */
export type MachineStatus = "booting" | "running" | "error" | "destroying";

export interface Machine extends MachineIdentity {
  readonly status: MachineStatus;
  /** Name or address, shown to people; no program connects to it. Empty while the machine has none. */
  readonly host: string;
  readonly createdAtMs: number;
  /** The provider's reason for the status `error`. */
  readonly fault?: string;
}

export interface MachineListing {
  /**
   * When the listing was started, by this machine's clock. Set only when the listing began before the caller asked for it,
   * because it was shared with another caller or cached.
   */
  readonly startedAtMs?: number;
  readonly machines: readonly Machine[];
  /** False when the listing ended early. A machine that is missing from it may still exist. */
  readonly complete: boolean;
  /** Why the listing is not complete: a sentence for operators. */
  readonly problem?: string;
}

/**
 * The provider refused the create: there is no machine, and none will appear later. `limit` is set when a later create can
 * succeed, because the limit passes by itself or an operator raises it. The message is then shown as the reason for waiting,
 * for example "quota, 20 of 20 instances".
 */
export class RefusedError extends CbError {
  readonly limit: "quota" | "rate" | undefined;
  /** How long the provider asks its caller to wait before the next request, in milliseconds. */
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

/** A quota, and its use. */
export interface ProviderLimit {
  /** For messages: "instances", "MiB of memory". */
  readonly unit: string;
  readonly used: number;
  /** Undefined: unlimited. */
  readonly max: number | undefined;
}

export interface Provider {
  /** Lists all machines that carry this installation's mark. Throws CbError. */
  listMachines(signal: AbortSignal): Promise<MachineListing>;
  /**
   * Resolves when the provider has accepted the create; the machine boots later. Idempotent by `spec.attempt`. Throws
   * RefusedError when no machine was created. Throws another CbError when that is unknown: a machine may still appear in the
   * listing.
   */
  create(spec: BuilderSpec, signal: AbortSignal): Promise<void>;
  /** Resolves when the provider has accepted the request, and also when the machine does not exist any more. */
  destroy(builder: string, signal: AbortSignal): Promise<void>;
  /**
   * Checks that everything that the configuration names exists, and resolves with a text of the provider's limits and their
   * use. Throws CbError "config" that names each wrong setting and the values that exist instead, or a CbError of another kind
   * when the provider cannot be asked now.
   */
  check?(signal: AbortSignal): Promise<string>;
  /** The quotas that a machine counts against. Absent when the provider has none. Throws CbError. */
  limits?(signal: AbortSignal): Promise<readonly ProviderLimit[]>;
  /** Returns the newest `maxBytes` of the machine's console output, for operators. Empty when there is none. */
  consoleOutput(builder: string, maxBytes: number, signal: AbortSignal): Promise<Uint8Array>;
}
