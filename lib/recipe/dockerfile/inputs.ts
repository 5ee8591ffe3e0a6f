/** Lists the files and folders that a Dockerfile reads from the caller's directory, which is its context. */
import { posix } from "node:path";
import { CbError } from "../../core/errors.ts";
import type { Recipe } from "../../protocol/build-messages.ts";
import { pathPattern } from "../path-pattern.ts";
import type { RecipeInput } from "../recipe-input.ts";
import { type Instruction, instructionsOf, isHeredoc } from "./instructions.ts";
import { DockerfileVariables } from "./variables.ts";
import { expandWord, type Word } from "./words.ts";

/** Of COPY and ADD together: five times the files that a recipe may name, since several may name the same one. */
const WORDS_MAX = 50_000;
/** In characters: PATH_MAX of Linux (limits.h). */
const PATH_MAX = 4096;

/** Ignores ONBUILD: buildah runs none of it, neither in a later stage nor in another build from this image. */
export function dockerfileInputs(recipe: Recipe): RecipeInput[] {
  const variables = new DockerfileVariables(recipe.buildArgs ?? {});
  let count = 0;
  return instructionsOf(recipe.text).flatMap((instruction) => {
    variables.apply(instruction);
    if (instruction.name === "copy" || instruction.name === "add") count += instruction.words.length;
    if (count > WORDS_MAX) {
      throw new CbError(
        "usage",
        `line ${instruction.line + 1}: COPY and ADD have more than ${WORDS_MAX} words up to here`,
        {
          hint: "name the folders that contain the files instead",
        },
      );
    }
    return sourcesOf(instruction, variables).map((source) => inputOf(source, instruction));
  });
}

function sourcesOf({ name, flags, words }: Instruction, variables: DockerfileVariables): Word[] {
  const expand = (word: string): Word => expandWord(word, variables.inStage);
  if (name === "run") return flags.flatMap((flag) => bindSource(flag, expand));
  if ((name !== "copy" && name !== "add") || flags.some((flag) => flag.startsWith("--from="))) return [];
  return words
    .slice(0, -1)
    .filter((word) => !isHeredoc(word))
    .map(expand)
    .filter(({ text }) => name === "copy" || !/^(https?:\/\/|git:\/\/|git@|ssh:\/\/)/.test(text));
}

/** The source in `--mount=type=bind,source=data,target=/data`; without `source` it is the whole context. */
function bindSource(flag: string, expand: (word: string) => Word): Word[] {
  if (!flag.startsWith("--mount=")) return [];
  const options = flag.slice("--mount=".length).replace(/["']/g, "").split(",");
  const value = (...names: string[]): string | undefined => {
    const option = options.find((each) => names.includes(each.split("=")[0] ?? ""));
    return option?.slice(option.indexOf("=") + 1);
  };
  if ((value("type") ?? "bind") !== "bind" || value("from") !== undefined) return [];
  return [expand(value("source", "src") ?? ".")];
}

/** buildah resolves `/x` and `../x` to `x` in the context: a source cannot name a path outside it. */
function inputOf({ text, certain }: Word, { line, name }: Instruction): RecipeInput {
  const known = certain ? text : text.slice(0, text.lastIndexOf("/") + 1);
  // `**` matches any number of folders. A RecipeInput has no such pattern, so the folder before it is sent.
  const [folder = ""] = known.split("**");
  const whole = folder === known ? known : folder.slice(0, folder.lastIndexOf("/") + 1);
  const path = posix.join("/", whole).replace(/\/$/, "").slice(1);
  const where = `line ${line + 1}: ${name.toUpperCase()}`;
  if (path.length > PATH_MAX) {
    throw new CbError("usage", `${where}: a path of ${path.length} characters; the limit is ${PATH_MAX}`, {
      hint: "shorten the path, or name the folder that contains the files",
    });
  }
  const mayBeMissing = name !== "run" && (!certain || /[*?[\\]/.test(text));
  return {
    ...pathPattern(path === "" ? "." : path, true),
    links: "keep",
    where,
    ...(mayBeMissing ? { optional: true as const } : {}),
  };
}
