/** What a callback was given, in order, and the wait for the value that a test needs. */

/** A loaded machine may stand still for seconds; what takes longer than this does not come. */
const LIMIT_MS = 30_000;

export class Seen<T> {
  readonly all: T[] = [];
  readonly #watchers = new Set<(value: T) => void>();

  /** The callback. */
  readonly add = (value: T): void => {
    this.all.push(value);
    for (const watcher of this.#watchers) watcher(value);
  };

  /** Resolves when a value holds, one that has been seen already or one that comes. */
  async any(holds: (value: T) => boolean): Promise<void> {
    if (!this.all.some(holds)) await this.next(holds);
  }

  /** Resolves at the next value that holds. Rejects when none comes within the limit. */
  async next(holds: (value: T) => boolean = () => true): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    let watcher = (_value: T): void => {};
    try {
      await new Promise<void>((resolve, reject) => {
        watcher = (value) => {
          if (holds(value)) resolve();
        };
        this.#watchers.add(watcher);
        const why = (): string =>
          `not seen within ${LIMIT_MS / 1000} s; the last were ${this.all.slice(-5).join(", ")}`;
        timer = setTimeout(() => reject(new Error(why())), LIMIT_MS);
      });
    } finally {
      clearTimeout(timer);
      this.#watchers.delete(watcher);
    }
  }
}
