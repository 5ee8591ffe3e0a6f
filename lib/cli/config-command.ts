/** `container-builder config`: prints each setting, its value, and where it comes from. Reads no secret. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import type { Command } from "commander";
import type { FoundSettings } from "../config/client-config.ts";
import type { ClientConfigPlaces } from "../config/client-sources.ts";
import { CLIENT_VARIABLES, createCommand, parse } from "./program.ts";
import { refuseArguments } from "./refuse-arguments.ts";
import { printText } from "./standard-output.ts";
import { tableText } from "./text/table.ts";

export const configCommand = (): Command =>
  createCommand({
    name: "container-builder config",
    summary: "Show the settings: each value, and the variable or the file that it comes from.",
    examples: { "container-builder config": "a table", "container-builder config --json": "the same for scripts" },
    variables: CLIENT_VARIABLES,
    failures: ["usage", "bug", "output", "infrastructure", "config"],
  })
    .allowExcessArguments(true)
    .option("--json", "print the settings as JSON");

/** In the order of the table. */
const DEFAULTS = {
  url: ["-", "not set"],
  creds: ["-", "not set"],
  ca: ["the CAs of the system", "default"],
  servername: ["the host in url", "default"],
  account: ["any", "default"],
  sealingKey: ["that of the queue", "default"],
  reuseBuilds: ["dockerfiles", "default"],
} as const;

/** Throws CbError "config" after the output when a setting is missing or its file cannot be read. */
export async function runConfig(argv: readonly string[]): Promise<number> {
  const { options, args } = parse<{ json?: boolean }>(configCommand(), argv);
  refuseArguments("config", args);
  // Not for `container-builder --help`, which shows this command too.
  const { clientConfig, findSettings, ownPlaces } = await import("../config/client-config.ts");
  const places = ownPlaces();
  const found = withoutPassword(findSettings(places));
  const files = filesOf(places);
  printText(
    options.json
      ? `${JSON.stringify({ v: 1, settings: found, files }, null, 2)}\n`
      : configText(found, files, process.stdout.columns),
  );
  clientConfig(places);
  return 0;
}

interface SettingsFile {
  readonly path: string;
  readonly exists: boolean;
}

function filesOf({ folders, localFolder }: ClientConfigPlaces): SettingsFile[] {
  const paths = [...folders, localFolder].map((folder) => join(folder, "config.yaml"));
  return paths.map((path) => ({ path, exists: existsSync(path) }));
}

/** An address may hold a login, which no program here takes. Exported for its test. */
export function withoutPassword({ url, ...others }: FoundSettings): FoundSettings {
  if (url === undefined) return others;
  return { url: { ...url, value: url.value.replace(/\/\/[^/@,]*@/g, "//***@") }, ...others };
}

/** A table, or, where a terminal of `columns` is too narrow for it, the source below each value. Exported for its test. */
export function configText(
  found: FoundSettings,
  files: readonly SettingsFile[],
  columns = Number.POSITIVE_INFINITY,
): string {
  const names = Object.keys(DEFAULTS) as (keyof typeof DEFAULTS)[];
  const rows = names.map((name) => {
    const setting = found[name];
    return setting === undefined ? [name, ...DEFAULTS[name]] : [name, setting.value, setting.from.name];
  });
  const paths = files.map(({ path, exists }) => `  ${path}${exists ? "" : "  (absent)"}\n`);
  const table = tableText([["SETTING", "VALUE", "FROM"], ...rows]);
  const isWide = table.split("\n").some((line) => line.length > columns);
  return `${isWide ? stacked(rows) : table}\nFiles, the first one first:\n${paths.join("")}`;
}

function stacked(rows: readonly (readonly string[])[]): string {
  const width = Math.max(...rows.map(([name = ""]) => name.length)) + 2;
  return rows
    .map(([name = "", value, from]) => `${name.padEnd(width)}${value}\n${" ".repeat(width)}from ${from}\n`)
    .join("")
    .replaceAll("from default\n", "by default\n")
    .replaceAll(/^.* from not set\n/gm, "");
}
