/** Lines of a definition file replaced, and all others as they are. */
import type { Recipe } from "../../protocol/build-messages.ts";
import type { Line } from "./sections.ts";

/** The recipe's own lines, but for those of which a part has changed: these come with their arguments filled in. */
export function withLines(
  { text, buildArgs }: Recipe,
  lines: readonly Line[],
  changed: ReadonlyMap<Line, string>,
): string {
  const parts = new Map<number, string[]>();
  for (const { origin } of changed.keys()) parts.set(origin, []);
  for (const line of lines) parts.get(line.origin)?.push(changed.get(line) ?? line.text);
  for (const { origin, filled } of changed.keys()) parts.get(origin)?.push(...stillUsed(filled, buildArgs));
  return text
    .split("\n")
    .map((line, origin) => parts.get(origin)?.join("\n") ?? line)
    .join("\n");
}

/**
 * apptainer refuses an argument that is given and not used. In a comment that begins with #! it counts as used; a value of
 * several lines would not stay in the comment.
 */
function stillUsed(names: readonly string[], buildArgs: Recipe["buildArgs"] = {}): string[] {
  const given = names.filter((name) => buildArgs[name] !== undefined && !buildArgs[name].includes("\n"));
  return given.length === 0 ? [] : [`#!${given.map((name) => `{{ ${name} }}`).join(" ")}`];
}

export const indentOf = ({ text }: Line): string => /^\s*/.exec(text)?.[0] ?? "";
