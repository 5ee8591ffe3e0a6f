/**
 * Tracks the variables that a Dockerfile's instructions can use, with buildah's rules: ENV overrides ARG, and a stage
 * gets an ARG from before FROM only by declaring it again.
 */
import type { Instruction } from "./instructions.ts";
import { expandWord, type Variables } from "./words.ts";

type Environment = Map<string, string | undefined>;

/**
 * Call apply() with each instruction, in the order of the file. A value is undefined when it is not known for certain.
 */
export class DockerfileVariables {
  readonly #buildArgs: ReadonlyMap<string, string>;
  readonly #beforeFrom: Environment = new Map();
  readonly #stages = new Map<string, Environment>();
  #env: Environment = new Map();
  #args: Environment = new Map();
  #started = false;

  constructor(buildArgs: Readonly<Record<string, string>>) {
    this.#buildArgs = new Map(Object.entries(buildArgs));
  }

  /** The variables for the next instruction. A variable without a certain value is absent. */
  get inStage(): Variables {
    const all = [...this.#args, ...this.#env];
    const certain = new Map<string, string>();
    for (const [name, value] of all) {
      if (value === undefined) certain.delete(name);
      else certain.set(name, value);
    }
    return certain;
  }

  apply({ name, words, rest }: Instruction): void {
    if (name === "from") this.#from(words);
    else if (name === "arg") this.#arg(rest);
    else if (name === "env") this.#setEnv(rest);
  }

  #from([base = "", , stage = ""]: readonly string[]): void {
    // A stage that starts from an earlier stage inherits its environment.
    this.#env = new Map(this.#stages.get(base.toLowerCase()));
    this.#args = new Map();
    this.#started = true;
    if (stage !== "") this.#stages.set(stage.toLowerCase(), this.#env);
  }

  #arg(rest: string): void {
    const visible = this.#started ? this.inStage : certainOf(this.#beforeFrom);
    for (const word of wordsOf(rest)) {
      const [name = ""] = word.split("=");
      const initial = word.includes("=")
        ? this.#expand(word.slice(name.length + 1), visible)
        : this.#beforeFrom.get(name);
      const target = this.#started ? this.#args : this.#beforeFrom;
      target.set(name, this.#buildArgs.get(name) ?? initial);
    }
  }

  /** `ENV A=1 B=2`, or `ENV A 1`. */
  #setEnv(rest: string): void {
    const visible = this.inStage;
    const words = wordsOf(rest);
    if (words[0]?.includes("=")) {
      for (const word of words) {
        const at = word.indexOf("=");
        if (at > 0) this.#env.set(word.slice(0, at), this.#expand(word.slice(at + 1), visible));
      }
      return;
    }
    const [, name, value = ""] = /^(\S+)\s+(.*)$/s.exec(rest) ?? [];
    if (name !== undefined) this.#env.set(name, this.#expand(value, visible));
  }

  #expand(word: string, visible: Variables): string | undefined {
    const { text, certain } = expandWord(word, visible);
    return certain ? text : undefined;
  }
}

function certainOf(environment: Environment): Variables {
  return new Map([...environment].flatMap(([name, value]) => (value === undefined ? [] : [[name, value] as const])));
}

const wordsOf = (text: string): string[] => text.match(/(?:\\.|"(?:\\.|[^"\\])*"|'[^']*'|[^\s\\"'])+/gs) ?? [];
