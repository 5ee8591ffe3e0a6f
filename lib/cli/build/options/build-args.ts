/** Collects the build arguments of the command line, the caller's environment and a file. */
import { CbError } from "../../../core/errors.ts";
import type { Recipe } from "../../../protocol/build-messages.ts";
import { readText } from "../read-text.ts";
import type { BuildOptionValues } from "./declare.ts";
import type { Environment } from "./variables.ts";

type BuildArgs = NonNullable<Recipe["buildArgs"]>;

const NAME = /^[A-Za-z_][A-Za-z0-9_]*$/;
const NAME_HINT = "a name has letters, digits and underscores, and begins with no digit";

export interface GivenArgs {
  readonly values: BuildArgs;
  /** Named without a value, and no variable of the environment: docker leaves these out, so that the recipe's default counts. */
  readonly unset: readonly string[];
}

/**
 * The arguments of the command line count more than those of the file, the last of a name more than earlier ones. Throws CbError
 * "usage" for a line that is not NAME=VALUE, and as readText().
 */
export async function readBuildArgs(
  { buildArg = [], buildArgFile }: Pick<BuildOptionValues, "buildArg" | "buildArgFile">,
  environment: Environment,
): Promise<GivenArgs> {
  const ofFile =
    buildArgFile === undefined ? [] : fileArgs(await readText(buildArgFile, "file of build arguments"), buildArgFile);
  const ofLine = buildArg.map(parseLine);
  const values = ofLine.map(({ name, value = environment[name] }) => [name, value] as const);
  const given = values.filter((pair): pair is [string, string] => pair[1] !== undefined);
  const unset = values.filter(([, value]) => value === undefined).map(([name]) => name);
  return { values: Object.fromEntries([...ofFile, ...given]), unset };
}

/** `NAME=VALUE`, or `NAME` for the variable of that name, as docker has it. */
function parseLine(text: string): { name: string; value?: string } {
  const at = text.indexOf("=");
  const name = at < 0 ? text : text.slice(0, at);
  if (!NAME.test(name)) throw new CbError("usage", `--build-arg ${text} is not NAME=VALUE`, { hint: NAME_HINT });
  return at < 0 ? { name } : { name, value: text.slice(at + 1) };
}

/** Blanks around name and value do not count, as for apptainer. Empty lines and comments are skipped, as by buildah. */
function fileArgs(text: string, path: string): [string, string][] {
  return text.split("\n").flatMap((line, index): [string, string][] => {
    const trimmed = line.trim();
    if (trimmed === "" || trimmed.startsWith("#")) return [];
    const at = trimmed.indexOf("=");
    const name = trimmed.slice(0, Math.max(at, 0)).trim();
    if (NAME.test(name)) return [[name, trimmed.slice(at + 1).trim()]];
    throw new CbError("usage", `line ${index + 1} of ${path} is not NAME=VALUE`, { hint: NAME_HINT });
  });
}
