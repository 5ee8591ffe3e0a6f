/** Counts what each user stores, between two looks at the store, so that an upload beyond the quota is refused while it flows. */

export class LayerUsage {
  readonly #maxBytes: number;
  /** At the last look, by folder of the user. */
  #stored: ReadonlyMap<string, number> = new Map();
  /** Received since then. */
  #received = new Map<string, number>();
  #refused = new Set<string>();

  /** `maxBytes`: of each user. */
  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** False: the bytes do not fit into the quota, and the next look at the store makes space for this user. */
  add(user: string, bytes: number): boolean {
    const received = (this.#received.get(user) ?? 0) + bytes;
    this.#received.set(user, received);
    const fits = (this.#stored.get(user) ?? 0) + received <= this.#maxBytes;
    if (!fits) this.#refused.add(user);
    return fits;
  }

  /**
   * Looks at the store by `look`, which gets the users that were refused since the last look. Bytes that arrive meanwhile count twice until
   * the next one. Rejects as `look`.
   */
  async measure(look: (refused: ReadonlySet<string>) => Promise<ReadonlyMap<string, number>>): Promise<void> {
    const before = new Map(this.#received);
    const refused = this.#refused;
    this.#refused = new Set();
    this.#stored = await look(refused);
    for (const [user, bytes] of before) {
      const since = (this.#received.get(user) ?? 0) - bytes;
      if (since > 0) this.#received.set(user, since);
      else this.#received.delete(user);
    }
  }
}
