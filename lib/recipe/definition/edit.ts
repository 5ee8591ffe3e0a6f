/** Replaces lines of a definition file and keeps all others unchanged. */
import type { Recipe } from "../../protocol/build-messages.ts";
import type { Line } from "./template-arguments.ts";

/** The text of the recipe with the changed lines replaced. A replaced line has its build arguments substituted. */
export function withLines(
  { text, buildArgs }: Recipe,
  lines: readonly Line[],
  changed: ReadonlyMap<Line, string>,
): string {
  const parts = new Map<number, string[]>();
  for (const { origin } of changed.keys()) parts.set(origin, []);
  for (const line of lines) parts.get(line.origin)?.push(changed.get(line) ?? line.text);
  // The lines that one value with line breaks makes have the same names.
  const names = new Map([...changed.keys()].map(({ origin, argumentNames }) => [origin, argumentNames]));
  for (const [origin, ofLine] of names) parts.get(origin)?.push(...commentThatUses(ofLine, buildArgs));
  return text
    .split("\n")
    .map((line, origin) => parts.get(origin)?.join("\n") ?? line)
    .join("\n");
}

/**
 * apptainer refuses a build argument that the recipe does not use. A use in a comment that begins with `#!` counts. An
 * argument with a value of several lines is left out, because its second line would not be part of the comment.
 */
function commentThatUses(names: readonly string[], buildArgs: Recipe["buildArgs"] = {}): string[] {
  const given = [...new Set(names)].filter((name) => buildArgs[name] !== undefined && !buildArgs[name].includes("\n"));
  return given.length === 0 ? [] : [`#!${given.map((name) => `{{ ${name} }}`).join(" ")}`];
}

export const indentOf = ({ text }: Line): string => /^\s*/.exec(text)?.[0] ?? "";
