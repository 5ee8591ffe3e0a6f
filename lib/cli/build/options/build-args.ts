/** Collects the build arguments of the command line, the caller's environment and a file. */
import { CbError } from "../../../core/errors.ts";
import type { Recipe } from "../../../protocol/build-messages.ts";
import { readText } from "../read-text.ts";
import type { BuildOptionValues } from "./declare.ts";
import type { Environment } from "./variables.ts";

export type BuildArgs = NonNullable<Recipe["buildArgs"]>;

const NAME = /^[A-Za-z_][A-Za-z0-9_]*$/;
const NAME_HINT = "a name has letters, digits and underscores, and begins with no digit";

/**
 * The arguments of the command line count more than those of the file, the last of a name more than earlier ones. Undefined if there
 * are none. Throws CbError "usage" for a line that is not NAME=VALUE, for a name without a value that is no variable of
 * `environment`, and as readText().
 */
export async function readBuildArgs(
  { buildArg = [], buildArgFile }: Pick<BuildOptionValues, "buildArg" | "buildArgFile">,
  environment: Environment,
): Promise<BuildArgs | undefined> {
  const ofFile =
    buildArgFile === undefined ? [] : fileArgs(await readText(buildArgFile, "file of build arguments"), buildArgFile);
  const all = [...ofFile, ...buildArg.map((text) => lineArg(text, environment))];
  return all.length === 0 ? undefined : Object.fromEntries(all);
}

/** `NAME=VALUE`, or `NAME` for the variable of that name, as docker has it. */
function lineArg(text: string, environment: Environment): [string, string] {
  const at = text.indexOf("=");
  const name = at < 0 ? text : text.slice(0, at);
  if (!NAME.test(name)) throw new CbError("usage", `--build-arg ${text} is not NAME=VALUE`, { hint: NAME_HINT });
  if (at >= 0) return [name, text.slice(at + 1)];
  const value = environment[name];
  if (value !== undefined) return [name, value];
  throw new CbError("usage", `--build-arg ${name}: you have no environment variable ${name}`, {
    hint: `write --build-arg ${name}=VALUE, or export ${name}`,
  });
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
