/** Turns APPTAINER_* and SINGULARITY_* variables into the options that they stand for, as apptainer 1.4.5 does. */
import { CbError } from "../../../core/errors.ts";
import { refusal } from "./declare.ts";
import { BUILD_OPTIONS, type BuildOption, flagOf } from "./option-list.ts";

export type Environment = Readonly<Record<string, string | undefined>>;

/** The first one that is set counts (apptainer: internal/pkg/util/env, ApptainerPrefixes). */
const PREFIXES = ["APPTAINER_", "SINGULARITY_"];

/** The texts of a boolean value in Go (strconv.ParseBool). */
const BOOLEANS: Readonly<Record<string, boolean>> = Object.fromEntries([
  ...["1", "t", "T", "TRUE", "true", "True"].map((text) => [text, true]),
  ...["0", "f", "F", "FALSE", "false", "False"].map((text) => [text, false]),
]);

/**
 * The arguments to put before those of the command line, which then override them. A variable of an option that is not needed gets
 * no note, because sites set APPTAINER_TMPDIR for everyone. Throws CbError "usage" for a variable of a refused option, and for a
 * value that is no boolean where apptainer expects one.
 */
export function argumentsFromVariables(environment: Environment): string[] {
  return BUILD_OPTIONS.flatMap((option) => {
    const found = variableOf(option, environment);
    return found === undefined ? [] : argumentsOf(option, found);
  });
}

interface Found {
  readonly name: string;
  readonly value: string;
}

/** Undefined if none is set. A blank value counts as unset, as for apptainer. */
function variableOf({ variables = [] }: BuildOption, environment: Environment): Found | undefined {
  const names = variables.flatMap((variable) => PREFIXES.map((prefix) => prefix + variable));
  const name = names.find((one) => (environment[one] ?? "").trim() !== "");
  return name === undefined ? undefined : { name, value: (environment[name] ?? "").trim() };
}

function argumentsOf(option: BuildOption, { name, value }: Found): string[] {
  if (option.treatment === "accepted") return [];
  const flag = flagOf(option);
  const takesValue = option.flags.includes("<");
  if (!takesValue && BOOLEANS[value] === undefined) {
    throw new CbError("usage", `${name}=${value} is neither true nor false`, { hint: "write 1 or 0, or unset it" });
  }
  if (!takesValue && BOOLEANS[value] === false) return [];
  if (option.treatment === "refused") throw refusal(option, `the variable ${name}`);
  if (!takesValue) return [flag];
  // apptainer joins several mounts with line breaks.
  const values = flag === "--mount" ? value.split("\n").filter((line) => line.trim() !== "") : [value];
  return values.map((one) => `${flag}=${one}`);
}
