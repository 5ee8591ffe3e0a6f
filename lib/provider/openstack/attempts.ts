/**
 * The create attempts of this process, by builder. Each attempt is sent to nova once only, because nova creates a server for
 * every request that it receives: a repeated request would create a second server.
 */
import type { MachineIdentity } from "../provider.ts";
import { RefusedError } from "../provider.ts";

export interface Attempt {
  readonly attempt: string;
  /** Rejects when no machine was created, or when that is not known. */
  readonly sent: Promise<void>;
}

/** More than the concurrent creates of all pools. The machines of older attempts are found in the listing. */
const ATTEMPTS_MAX = 1000;

export class Attempts {
  readonly #byBuilder = new Map<string, Attempt>();

  get(builder: string): Attempt | undefined {
    return this.#byBuilder.get(builder);
  }

  /** Rejects as `send` does. A refused attempt is forgotten: it created nothing, so the caller may send it again. */
  async add({ builder, attempt }: MachineIdentity, send: () => Promise<void>): Promise<void> {
    const sent = send();
    this.#byBuilder.set(builder, { attempt, sent });
    const [oldest] = this.#byBuilder.keys();
    if (this.#byBuilder.size > ATTEMPTS_MAX && oldest !== undefined) this.#byBuilder.delete(oldest);
    try {
      await sent;
    } catch (error) {
      if (error instanceof RefusedError) this.#byBuilder.delete(builder);
      throw error;
    }
  }
}
