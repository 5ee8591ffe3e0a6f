/**
 * The creates of this process, by builder. An attempt is sent to nova once and no more: nova makes a machine of every
 * request it gets, so that a second one would be a second machine.
 */
import type { MachineIdentity } from "../provider.ts";
import { RefusedError } from "../provider.ts";

export interface Attempt {
  readonly attempt: string;
  /** Rejects where no machine was made, or where that is not known. */
  readonly sent: Promise<void>;
}

/** More than pools have under way together; older ones are in the listing, or nobody asks for them any more. */
const KEPT = 1000;

export class Attempts {
  readonly #kept = new Map<string, Attempt>();

  get(builder: string): Attempt | undefined {
    return this.#kept.get(builder);
  }

  /** What was refused is forgotten: nothing came of it, and it may be asked for once more. */
  async add({ builder, attempt }: MachineIdentity, send: () => Promise<void>): Promise<void> {
    const sent = send();
    this.#kept.set(builder, { attempt, sent });
    const [oldest] = this.#kept.keys();
    if (this.#kept.size > KEPT && oldest !== undefined) this.#kept.delete(oldest);
    try {
      await sent;
    } catch (error) {
      if (error instanceof RefusedError) this.#kept.delete(builder);
      throw error;
    }
  }
}
