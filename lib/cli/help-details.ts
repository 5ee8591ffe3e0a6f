/** The end of a program's `--help`: sections that are wrapped as commander wraps the options. */
import type { Help } from "commander";
import { exitRows, type ProgramInfo, variableRows } from "./program-info.ts";

/** `help` has the width of the output. */
export function helpDetails(info: ProgramInfo, help: Help): string {
  const commands = (info.commands ?? []).map((command): [string, string] => [command.name(), command.description()]);
  return [
    section("Commands", commands, help),
    section("Examples", Object.entries(info.examples), help),
    section("Environment variables", variableRows(info), help),
    section("Exit codes", exitRows(info), help),
  ].join("");
}

function section(title: string, rows: readonly (readonly [string, string])[], help: Help): string {
  if (rows.length === 0) return "";
  const width = Math.max(...rows.map(([left]) => left.length));
  const columns = (help.helpWidth ?? 80) - width - 4;
  // Commander does not wrap into a narrower column, so the text gets a line of its own.
  const isStacked = columns < help.minWidthToWrap;
  const lines = rows.map(([left, right]) =>
    isStacked
      ? `  ${left}\n${indented(help.boxWrap(right, (help.helpWidth ?? 80) - 6), 6)}`
      : `  ${left.padEnd(width + 2)}${indented(help.boxWrap(right, columns), width + 4).trimStart()}`,
  );
  return `\n${title}:\n${lines.join("\n")}\n`;
}

const indented = (text: string, columns: number): string => text.replace(/^/gm, " ".repeat(columns));
