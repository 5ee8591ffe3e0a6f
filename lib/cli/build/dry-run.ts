/** The text of --dry-run: everything that the call would send. */
import type { ReserveRequest } from "../../protocol/build-messages.ts";
import type { PassedOptions } from "../../protocol/build-options.ts";
import type { Context } from "../../recipe/context/find.ts";
import { size } from "../text/progress.ts";
import type { BuildInput } from "./build-input.ts";
import { type ReuseRule, ruleText } from "./same/reuse-rule.ts";

export interface DryRun {
  readonly input: BuildInput;
  readonly context: Context | undefined;
  /** Kind and source of each, without any value. */
  readonly secrets: readonly (readonly ["secret" | "login", string])[];
  readonly imagePath: string;
  readonly arch: string | undefined;
  readonly pool: string | undefined;
  readonly terminal: ReserveRequest["terminal"];
  readonly reuse: ReuseRule;
}

/** One line for each thing, with a line end. The values of build arguments are left out: some come from the environment. */
export function dryRunText({ input, context, secrets, imagePath, arch, pool, terminal, reuse }: DryRun): string {
  const { backend, text, buildArgs = {}, options = {} } = input.recipe;
  const names = Object.keys(buildArgs).join(", ");
  const kind = backend === "docker" ? "Dockerfile" : "definition file";
  const rows: (readonly [string, string])[] = [
    ["image", imagePath],
    ["recipe", `${input.shown}: ${kind}, ${size(Buffer.byteLength(text))}`],
    ["context", contextText(context)],
    ...secrets,
    ...(context === undefined ? [] : [["folder", `${context.directory}, where relative paths start`] as const]),
    ...(names === "" ? [] : [["build arguments", names] as const]),
    ...optionTexts(options).map((option) => ["option", option] as const),
    ["arch", arch ?? "that of the pool"],
    ["pool", pool ?? "the queue's first of the architecture"],
    ["terminal", terminal === undefined ? "none" : `${terminal.columns} columns, ${terminal.rows} rows`],
    ["earlier build", ruleText(reuse)],
  ];
  const width = Math.max(...rows.map(([name]) => name.length)) + 2;
  return [...rows.map(([name, value]) => `${`${name}:`.padEnd(width)}${value}`), "nothing was sent", ""].join("\n");
}

function contextText(context: Context | undefined): string {
  if (context === undefined) return "none: the recipe reads no file of this machine";
  const { files, bytes, maxArchiveBytes } = context;
  return `${files} file${files === 1 ? "" : "s"}, ${size(bytes)}, in an archive of at most ${size(maxArchiveBytes)}`;
}

/** As the user writes them. */
function optionTexts(options: PassedOptions): string[] {
  const { noTest, writableTmpfs, binds = [], labels = {}, library, target, archVariant } = options;
  const { mksquashfsArgs, compression } = options;
  const values = { library, target, "arch-variant": archVariant, "mksquashfs-args": mksquashfsArgs, compression };
  return [
    ...(noTest ? ["--notest"] : []),
    ...(writableTmpfs ? ["--writable-tmpfs"] : []),
    ...binds.map(({ source, destination, readOnly }) => `--bind ${source}:${destination}${readOnly ? ":ro" : ""}`),
    ...Object.entries(labels).map(([name, value]) => `--label ${name}=${value}`),
    ...Object.entries(values).flatMap(([name, value]) => (value === undefined ? [] : [`--${name} ${value}`])),
  ];
}
