/** Records the values that a callback receives, in order, and lets a test wait for a value. */

/** A loaded machine may stall for seconds. After this limit the value is taken as missing. */
const LIMIT_MS = 30_000;

export class Recorder<T> {
  readonly all: T[] = [];
  readonly #watchers = new Set<(value: T) => void>();

  /** The callback to pass on. */
  readonly add = (value: T): void => {
    this.all.push(value);
    for (const watcher of this.#watchers) watcher(value);
  };

  /** Resolves when `holds` is true for a value, recorded before or after the call. Rejects after 30 s. */
  async any(holds: (value: T) => boolean): Promise<void> {
    if (!this.all.some(holds)) await this.next(holds);
  }

  /** Resolves at the next value for which `holds` is true. Rejects after 30 s. */
  async next(holds: (value: T) => boolean = () => true): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    let watcher = (_value: T): void => {};
    try {
      await new Promise<void>((resolve, reject) => {
        watcher = (value) => {
          if (holds(value)) resolve();
        };
        this.#watchers.add(watcher);
        const message = (): string =>
          `no such value within ${LIMIT_MS / 1000} s; the last were ${this.all.slice(-5).join(", ")}`;
        timer = setTimeout(() => reject(new Error(message())), LIMIT_MS);
      });
    } finally {
      clearTimeout(timer);
      this.#watchers.delete(watcher);
    }
  }
}
