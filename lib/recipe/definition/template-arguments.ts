/** Substitutes the build arguments of a definition file, `{{ NAME }}`, as apptainer 1.4.5 does. */
import { CbError } from "../../core/errors.ts";
import { RECIPE_MAX_BYTES } from "../../protocol/build-messages.ts";

export interface Line {
  /** Line number in the recipe, from 0. Several lines share it when the value of an argument has line breaks. */
  readonly origin: number;
  /** With arguments substituted, without the line ending. */
  readonly text: string;
  /** Names of the arguments substituted in this line. */
  readonly argumentNames: readonly string[];
}

const TEMPLATE = /\{\{\s*(\w+)\s*\}\}/g;

/** The arguments of one stage. */
export class TemplateArguments {
  readonly #values: ReadonlyMap<string, string>;
  /** The values with the arguments in them substituted. */
  readonly #expanded = new Map<string, string>();
  readonly #size: { bytes: number };

  /** `size`: what the arguments of all stages have expanded to. Together they may be as long as the longest recipe. */
  constructor(values: ReadonlyMap<string, string>, size: { bytes: number }) {
    this.#values = values;
    this.#size = size;
  }

  /**
   * A value with line breaks gives several lines. Throws CbError "usage" for an argument without a value, and when all
   * values together exceed RECIPE_MAX_BYTES.
   */
  substitute(line: Line): Line[] {
    const { origin, text } = line;
    if (!text.includes("{{")) return [line];
    let done = 0;
    let isComment = false;
    const names: string[] = [];
    const result = text.replace(TEMPLATE, (whole, name: string, at: number) => {
      // apptainer starts a comment at any # that has a character after it, except at #!.
      isComment ||= /#[^!]/.test(text.slice(done, at));
      if (isComment) return whole;
      done = at + whole.length;
      names.push(name);
      const value = this.#valueOf(name, origin);
      this.#charge(value, origin);
      return value;
    });
    return result.split("\n").map((part) => ({ origin, text: part, argumentNames: names }));
  }

  /** A value may refer to other arguments. The values of those are inserted as they are, without further substitution. */
  #valueOf(name: string, origin: number): string {
    const before = this.#expanded.get(name);
    if (before !== undefined) return before;
    const value = this.#values.get(name);
    if (value === undefined) {
      throw new CbError("usage", `line ${origin + 1} of the recipe: the build argument {{ ${name} }} has no value`, {
        hint: `call with --build-arg ${name}=VALUE, or add a line ${name}=VALUE to %arguments of the same stage`,
      });
    }
    const expanded = value.replace(TEMPLATE, (whole, inner: string) => {
      const text = this.#values.get(inner);
      if (text !== undefined) this.#charge(text, origin);
      return text ?? whole;
    });
    this.#expanded.set(name, expanded);
    return expanded;
  }

  #charge(value: string, origin: number): void {
    this.#size.bytes += Buffer.byteLength(value);
    if (this.#size.bytes <= RECIPE_MAX_BYTES) return;
    const problem = `the build arguments expand to more than ${RECIPE_MAX_BYTES} bytes`;
    throw new CbError("usage", `line ${origin + 1} of the recipe: ${problem}`, {
      hint: "use shorter values, or use them less often",
    });
  }
}
