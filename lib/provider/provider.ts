/**
 * What a provider of builders must do. A provider knows machines and nothing of builds: it lists them, makes them,
 * destroys them, and shows what they printed. One contract test runs against every provider there is.
 */

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

export interface BuilderSpec extends MachineIdentity {
  /** What the agent reads when it starts, a JSON text, at most 65535 bytes (nova's limit for user_data). Secret. */
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

export interface Observation {
  readonly machines: readonly Machine[];
  /** False when the listing was cut short: what is missing from it may still exist. */
  readonly complete: boolean;
}

export interface Provider {
  /** Everything that carries this installation's mark, in one look. Throws CbError "infrastructure". */
  observe(signal: AbortSignal): Promise<Observation>;
  /** Accepted, not finished. Idempotent by `spec.attempt`. Throws CbError "infrastructure" or "config". */
  create(spec: BuilderSpec, signal: AbortSignal): Promise<void>;
  /** Resolves when the provider has accepted it, and too if the machine is already gone. */
  destroy(builder: string, signal: AbortSignal): Promise<void>;
  /** The newest `maxBytes` of what the machine printed, for the operator. Empty if there is nothing. */
  consoleOutput(builder: string, maxBytes: number, signal: AbortSignal): Promise<Uint8Array>;
}
