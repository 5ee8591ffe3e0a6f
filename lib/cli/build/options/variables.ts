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
function variableOf({ variables = [] }: Pick<BuildOption, "variables">, environment: Environment): Found | undefined {
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
  return [`${flag}=${value}`];
}

/**
 * Binds by variable. A site sets them for everyone, to whole file systems: an apptainer on its machines mounts these, whereas a
 * builder would have to be sent them.
 */
const BIND_VARIABLES = ["BIND", "BINDPATH", "MOUNT"];

/** Names the variables of binds that are set and have no effect. Undefined if there are none. */
export function bindVariablesNote(environment: Environment): string | undefined {
  const found = variableOf({ variables: BIND_VARIABLES }, environment);
  return found === undefined
    ? undefined
    : `${found.name} has no effect: a builder has none of your file systems; --bind sends what the recipe needs`;
}
