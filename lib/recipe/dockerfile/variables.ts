/**
 * Tracks the variables that a Dockerfile's instructions can use, with buildah's rules: ENV overrides ARG, and a stage
 * gets an ARG from before FROM only by declaring it again.
 */
import { CbError } from "../../core/errors.ts";
import type { Instruction } from "./instructions.ts";
import { expandWord, type Variables, wordsOf } from "./words.ts";

type Environment = Map<string, string | undefined>;

/**
 * Characters that the variables of one Dockerfile may expand to, all uses together. A use in each line of the longest
 * recipe examined gives some 100 kB; `ENV A=$A$A` doubles a value with each line.
 */
const EXPANSION_MAX = 4 * 1024 * 1024;
/** Variables that all stages of one Dockerfile may inherit. A hundred stages with a thousand variables each stay below. */
const INHERITED_MAX = 250_000;

/**
 * Call apply() with each instruction, in the order of the file. A value is undefined when it is not known for certain.
 * apply() and the variables throw CbError "usage" with the line when the values grow beyond a bound.
 */
export class DockerfileVariables {
  readonly #buildArgs: ReadonlyMap<string, string>;
  readonly #beforeFrom: Environment = new Map();
  readonly #stages = new Map<string, Environment>();
  #env: Environment = new Map();
  #args: Environment = new Map();
  #started = false;
  #line = 0;
  #expanded = 0;
  #inherited = 0;

  constructor(buildArgs: Readonly<Record<string, string>>) {
    this.#buildArgs = new Map(Object.entries(buildArgs));
  }

  /** The variables for the instruction of the last apply(). A variable without a certain value is absent. */
  readonly inStage: Variables = {
    get: (name) => this.#charged(this.#env.has(name) ? this.#env.get(name) : this.#args.get(name)),
  };
  /** The variables for FROM. */
  readonly global: Variables = { get: (name) => this.#charged(this.#beforeFrom.get(name)) };

  apply({ name, words, rest, line }: Instruction): void {
    this.#line = line;
    if (name === "from") this.#from(words);
    else if (name === "arg") this.#arg(rest);
    else if (name === "env") this.#setEnv(rest);
  }

  #charged(value: string | undefined): string | undefined {
    this.#expanded += value?.length ?? 0;
    if (this.#expanded > EXPANSION_MAX) {
      this.#refuse(`the variables expand to more than ${EXPANSION_MAX} characters`, "use shorter values");
    }
    return value;
  }

  #refuse(problem: string, hint: string): never {
    throw new CbError("usage", `line ${this.#line + 1}: ${problem}`, { hint });
  }

  #from([base = "", , stage = ""]: readonly string[]): void {
    // A stage that starts from an earlier stage inherits its environment.
    const inherited = this.#stages.get(base.toLowerCase());
    this.#inherited += inherited?.size ?? 0;
    if (this.#inherited > INHERITED_MAX) {
      this.#refuse(
        `the stages inherit more than ${INHERITED_MAX} variables`,
        "set fewer variables, or use fewer stages",
      );
    }
    this.#env = new Map(inherited);
    this.#args = new Map();
    this.#started = true;
    if (stage !== "") this.#stages.set(stage.toLowerCase(), this.#env);
  }

  #arg(rest: string): void {
    const visible = this.#started ? this.inStage : this.global;
    const target = this.#started ? this.#args : this.#beforeFrom;
    const declared = wordsOf(rest).map((word) => {
      const at = word.indexOf("=");
      if (at < 0) return { name: word };
      return { name: word.slice(0, at), initial: this.#expand(word.slice(at + 1), visible) };
    });
    // A value refers to the variables before this instruction.
    for (const argument of declared) {
      const { name } = argument;
      const initial = "initial" in argument ? argument.initial : this.#beforeFrom.get(name);
      target.set(name, this.#buildArgs.get(name) ?? initial);
    }
  }

  /** `ENV A=1 B=2`, or `ENV A 1`. */
  #setEnv(rest: string): void {
    const words = wordsOf(rest);
    if (words[0]?.includes("=")) {
      const values = words.flatMap((word): [string, string | undefined][] => {
        const at = word.indexOf("=");
        return at > 0 ? [[word.slice(0, at), this.#expand(word.slice(at + 1), this.inStage)]] : [];
      });
      for (const [name, value] of values) this.#env.set(name, value);
      return;
    }
    const [, name, value = ""] = /^(\S+)\s+(.*)$/s.exec(rest) ?? [];
    if (name !== undefined) this.#env.set(name, this.#expand(value, this.inStage));
  }

  #expand(word: string, visible: Variables): string | undefined {
    const { text, certain } = expandWord(word, visible);
    return certain ? text : undefined;
  }
}
