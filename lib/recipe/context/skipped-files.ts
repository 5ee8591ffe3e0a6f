/** What is not sent, or is sent and leads nowhere: told in a few lines at the end, however many there are. */
import { type BytePath, shown } from "./byte-path.ts";

interface Kind {
  count: number;
  first: string;
}

const WORDS = {
  special: ["socket, pipe or device is left out", "sockets, pipes or devices are left out"],
  outside: [
    "link leads out of the directory, where the builder has nothing",
    "links lead out of the directory, where the builder has nothing",
  ],
  absolute: [
    "absolute link keeps its text, and leads nowhere on the builder",
    "absolute links keep their text, and lead nowhere on the builder",
  ],
  made: [
    "file is not here, and left to the recipe's own script to make",
    "files are not here, and left to the recipe's own script to make",
  ],
  dangling: ["link leads nowhere", "links lead nowhere"],
} as const;

export class SkippedFiles {
  readonly #kinds = new Map<keyof typeof WORDS, Kind>();

  add(kind: keyof typeof WORDS, path: BytePath, target?: string): void {
    const sofar = this.#kinds.get(kind);
    if (sofar !== undefined) sofar.count += 1;
    else this.#kinds.set(kind, { count: 1, first: shown(path) + (target === undefined ? "" : ` -> ${shown(target)}`) });
  }

  notes(): string[] {
    return [...this.#kinds].map(([kind, { count, first }]) => {
      const [one, many] = WORDS[kind];
      return count === 1 ? `1 ${one}: ${first}` : `${count} ${many}, the first: ${first}`;
    });
  }
}
