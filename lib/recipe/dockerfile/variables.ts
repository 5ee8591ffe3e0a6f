/** Which variables a Dockerfile's instructions see, as buildah has it: ENV before ARG, ARG before FROM for whoever asks for it. */
import type { Instruction } from "./instructions.ts";
import { expandWord, type Variables } from "./words.ts";

type Environment = Map<string, string | undefined>;

/** Fed with the instructions in their order. */
export class DockerfileVariables {
  readonly #given: ReadonlyMap<string, string>;
  readonly #beforeFrom: Environment = new Map();
  readonly #stages = new Map<string, Environment>();
  #env: Environment = new Map();
  #args: Environment = new Map();
  #started = false;

  constructor(buildArgs: Readonly<Record<string, string>>) {
    this.#given = new Map(Object.entries(buildArgs));
  }

  /** What the next instruction sees. What has no certain value is not in it. */
  get inStage(): Variables {
    const all = [...this.#args, ...this.#env];
    const certain = new Map<string, string>();
    for (const [name, value] of all) {
      if (value === undefined) certain.delete(name);
      else certain.set(name, value);
    }
    return certain;
  }

  take({ name, words, rest }: Instruction): void {
    if (name === "from") this.#from(words);
    else if (name === "arg") this.#arg(rest);
    else if (name === "env") this.#setEnv(rest);
  }

  #from([base = "", , stage = ""]: readonly string[]): void {
    // An image of an earlier stage brings its environment along.
    this.#env = new Map(this.#stages.get(base.toLowerCase()));
    this.#args = new Map();
    this.#started = true;
    if (stage !== "") this.#stages.set(stage.toLowerCase(), this.#env);
  }

  #arg(rest: string): void {
    const seen = this.#started ? this.inStage : certainOf(this.#beforeFrom);
    for (const word of wordsOf(rest)) {
      const [name = ""] = word.split("=");
      const initial = word.includes("=") ? this.#expand(word.slice(name.length + 1), seen) : this.#beforeFrom.get(name);
      const target = this.#started ? this.#args : this.#beforeFrom;
      target.set(name, this.#given.get(name) ?? initial);
    }
  }

  /** `ENV A=1 B=2`, or `ENV A 1`. */
  #setEnv(rest: string): void {
    const seen = this.inStage;
    const words = wordsOf(rest);
    if (words[0]?.includes("=")) {
      for (const word of words) {
        const at = word.indexOf("=");
        if (at > 0) this.#env.set(word.slice(0, at), this.#expand(word.slice(at + 1), seen));
      }
      return;
    }
    const [, name, value = ""] = /^(\S+)\s+(.*)$/s.exec(rest) ?? [];
    if (name !== undefined) this.#env.set(name, this.#expand(value, seen));
  }

  #expand(word: string, seen: Variables): string | undefined {
    const { text, certain } = expandWord(word, seen);
    return certain ? text : undefined;
  }
}

function certainOf(environment: Environment): Variables {
  return new Map([...environment].flatMap(([name, value]) => (value === undefined ? [] : [[name, value] as const])));
}

const wordsOf = (text: string): string[] => text.match(/(?:\\.|"(?:\\.|[^"\\])*"|'[^']*'|[^\s\\"'])+/gs) ?? [];
