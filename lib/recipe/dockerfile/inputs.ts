/** What a Dockerfile reads from its caller's directory, which is its context. */
import { posix } from "node:path";
import type { Recipe } from "../../protocol/build-messages.ts";
import { pathPattern } from "../path-pattern.ts";
import type { RecipeInput } from "../recipe-input.ts";
import { type Instruction, instructionsOf, isDocument } from "./instructions.ts";
import { DockerfileVariables } from "./variables.ts";
import { expandWord, type Word } from "./words.ts";

/** ONBUILD is left out: buildah runs nothing of it, neither in a later stage nor in another build from this image. */
export function dockerfileInputs(recipe: Recipe): RecipeInput[] {
  const variables = new DockerfileVariables(recipe.buildArgs ?? {});
  return instructionsOf(recipe.text).flatMap((instruction) => {
    variables.take(instruction);
    return sourcesOf(instruction, variables).map((source) => wantOf(source, instruction));
  });
}

function sourcesOf({ name, flags, words }: Instruction, variables: DockerfileVariables): Word[] {
  const expand = (word: string): Word => expandWord(word, variables.inStage);
  if (name === "run") return flags.flatMap((flag) => bindSource(flag, expand));
  if ((name !== "copy" && name !== "add") || flags.some((flag) => flag.startsWith("--from="))) return [];
  return words
    .slice(0, -1)
    .filter((word) => !isDocument(word))
    .map(expand)
    .filter(({ text }) => name === "copy" || !/^(https?:\/\/|git:\/\/|git@|ssh:\/\/)/.test(text));
}

/** `--mount=type=bind,source=data,target=/data`; without a source the whole context. */
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

/** `/x` and `../x` are `x` of the context: nothing leads out of it. */
function wantOf({ text, certain }: Word, { line, name }: Instruction): RecipeInput {
  const known = certain ? text : text.slice(0, text.lastIndexOf("/") + 1);
  // Any number of folders, for which a pattern of a Want has no sign.
  const [folder = ""] = known.split("**");
  const whole = folder === known ? known : folder.slice(0, folder.lastIndexOf("/") + 1);
  const path = posix.join("/", whole).replace(/\/$/, "").slice(1);
  return {
    ...pathPattern(path === "" ? "." : path, true),
    links: "keep",
    where: `line ${line + 1}: ${name.toUpperCase()}`,
  };
}
