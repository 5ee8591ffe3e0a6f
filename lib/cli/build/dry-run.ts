/** The text of --dry-run: everything that the call would send. */
import type { ReserveRequest } from "../../protocol/build-messages.ts";
import type { Context } from "../../recipe/context/find.ts";
import { size } from "../text/progress.ts";
import type { BuildInput } from "./build-input.ts";

export interface DryRun {
  readonly input: BuildInput;
  readonly context: Context | undefined;
  readonly imagePath: string;
  readonly arch: string | undefined;
  readonly pool: string | undefined;
  readonly terminal: ReserveRequest["terminal"];
}

/** One line for each thing, with a line end. The values of build arguments are left out: some come from the environment. */
export function dryRunText({ input, context, imagePath, arch, pool, terminal }: DryRun): string {
  const { backend, text, buildArgs = {}, options = {} } = input.recipe;
  const names = Object.keys(buildArgs).join(", ");
  const kind = backend === "docker" ? "Dockerfile" : "definition file";
  const rows: (readonly [string, string])[] = [
    ["image", imagePath],
    ["recipe", `${input.shown}: ${kind}, ${size(Buffer.byteLength(text))}`],
    ["context", contextText(context)],
    ...(names === "" ? [] : [["build arguments", names] as const]),
    ...Object.entries(options).map(([name, value]) => ["option", optionText(name, value)] as const),
    ["arch", arch ?? "that of the pool"],
    ["pool", pool ?? "the queue's first of the architecture"],
    ["terminal", terminal === undefined ? "none" : `${terminal.columns} columns, ${terminal.rows} rows`],
  ];
  const width = Math.max(...rows.map(([name]) => name.length)) + 2;
  return [...rows.map(([name, value]) => `${`${name}:`.padEnd(width)}${value}`), "nothing was sent", ""].join("\n");
}

function contextText(context: Context | undefined): string {
  if (context === undefined) return "none: the recipe reads no file of this machine";
  const { files, bytes, directory, maxArchiveBytes } = context;
  const count = `${files} file${files === 1 ? "" : "s"}`;
  return `${count}, ${size(bytes)}, an archive of at most ${size(maxArchiveBytes)}; paths start in ${directory}`;
}

const optionText = (name: string, value: unknown): string =>
  value === true ? name : `${name} ${typeof value === "string" ? value : JSON.stringify(value)}`;
