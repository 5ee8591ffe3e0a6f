/** Finds the places in a definition file that name files on the caller's disk, parsed as apptainer does. */
import type { Recipe } from "../../protocol/build-messages.ts";
import { SCRIPTS_BEFORE_FILES } from "./made-by-script.ts";
import { type Section, stagesOf } from "./sections.ts";
import type { Line } from "./template-arguments.ts";

/** A line of %files: the source is a word for apptainer's shell, the destination is literal. */
export interface FilesSource {
  readonly kind: "files";
  readonly line: Line;
  readonly source: string;
  readonly destination: string | undefined;
}

/** A line of %appfiles: source and destination are literal, without shell expansion. */
export interface AppFilesSource {
  readonly kind: "appfiles";
  readonly line: Line;
  readonly source: string;
  readonly destination: string | undefined;
}

/** The base image of a stage, when it is a file or folder on the caller's disk. */
export interface BaseSource {
  readonly kind: "base";
  readonly line: Line;
  /** The lines that continue `line`; each but the last ends with a backslash. */
  readonly continued: readonly Line[];
  readonly bootstrap: LocalBootstrap;
  /** Literal path of the image. */
  readonly path: string;
  /** `:tag` or `@digest` that selects an image in the archive or layout; else empty. */
  readonly reference: string;
}

export type DefinitionSource = FilesSource | AppFilesSource | BaseSource;

const LOCAL_BOOTSTRAPS = ["localimage", "oci-archive", "docker-archive", "oci"] as const;
type LocalBootstrap = (typeof LOCAL_BOOTSTRAPS)[number];

interface HeaderValue {
  readonly line: Line;
  readonly continued: readonly Line[];
  readonly value: string;
}

export interface Definition {
  /** All lines, with arguments substituted. */
  readonly lines: readonly Line[];
  /** In the order of the recipe. The `line` of each is an element of `lines`. */
  readonly sources: readonly DefinitionSource[];
  /** The scripts that run on the build machine before apptainer copies files, joined. */
  readonly script: string;
}

/** Throws CbError "usage" as stagesOf(). */
export function readDefinition(recipe: Recipe): Definition {
  const sections = stagesOf(recipe.text, recipe.buildArgs).flat();
  const lines = sections.flatMap((section) => [
    ...(section.head === undefined ? [] : [section.head]),
    ...section.lines,
  ]);
  const scripts = sections.filter(({ name }) => SCRIPTS_BEFORE_FILES.has(name)).flatMap((section) => section.lines);
  return { lines, sources: sections.flatMap(sourcesOf), script: scripts.map(({ text }) => text).join("\n") };
}

function sourcesOf({ name, rest, lines }: Section): DefinitionSource[] {
  if (name === "") return baseOf(lines);
  if (name === "appfiles") return lines.flatMap(appFilesSource);
  // `%files from STAGE` copies between stages. With any other text after the name, apptainer ignores the section.
  return name === "files" && rest.split("#")[0] === "" ? lines.flatMap(filesSource) : [];
}

function filesSource(line: Line): FilesSource[] {
  const text = line.text.trim();
  if (text === "" || text.startsWith("#")) return [];
  // Double quotes keep a word together and are removed. A single quote begins a word and is kept.
  const words = text.match(/[^\s"']+|"[^"]*"|'[^']*/g) ?? [];
  const [source = "", destination] = words.map((word) => word.trim().replace(/^"+|"+$/g, ""));
  return source === "" ? [] : [{ kind: "files", line, source, destination: destination || undefined }];
}

function appFilesSource(line: Line): AppFilesSource[] {
  const text = line.text.trim();
  if (text === "" || text.startsWith("#")) return [];
  const [, source = "", destination] = /^([^ ]*)(?: (.*))?$/s.exec((text.split("#")[0] ?? "").trim()) ?? [];
  return source === "" ? [] : [{ kind: "appfiles", line, source, destination }];
}

function baseOf(lines: readonly Line[]): BaseSource[] {
  const header = headerOf(lines);
  const bootstrap = LOCAL_BOOTSTRAPS.find((local) => local === header.get("bootstrap")?.value);
  const from = header.get("from");
  if (bootstrap === undefined || from === undefined || from.value === "") return [];
  const { line, continued, value } = from;
  if (bootstrap === "localimage") return [{ kind: "base", line, continued, bootstrap, path: value, reference: "" }];
  const name = [header.get("registry")?.value, header.get("namespace")?.value, value].filter(Boolean).join("/");
  const end = bootstrap === "oci" ? endOfLayout(name) : name.indexOf(":");
  const [path, reference] = end < 0 ? [name, ""] : [name.slice(0, end), name.slice(end)];
  return path === "" ? [] : [{ kind: "base", line, continued, bootstrap, path, reference }];
}

/** Position of the `@` in `folder@digest`; -1 when there is none. A colon is part of the folder's name. */
const endOfLayout = (name: string): number => name.indexOf("@", name.lastIndexOf("/") + 1);

/** The values of a stage's header, by their names in lower case. */
export function headerOf(lines: readonly Line[]): Map<string, HeaderValue> {
  const header = new Map<string, HeaderValue>();
  let open: { key: string; parts: string[]; lines: Line[] } | undefined;
  for (const line of lines) {
    const text = (line.text.split("#")[0] ?? "").trim();
    if (text === "") {
      open = undefined;
      continue;
    }
    const [, key = "", first = ""] = open === undefined ? (/^([^:]*):(.*)$/.exec(text) ?? []) : ["", open.key, text];
    const part = first.trim();
    const parts = open?.parts ?? [];
    const more = part.endsWith("\\");
    parts.push(more ? part.slice(0, -1) : part);
    const all = open?.lines ?? [];
    all.push(line);
    open = more ? { key, parts, lines: all } : undefined;
    if (more) continue;
    const [begin = line, ...continued] = all;
    header.set(key.trim().toLowerCase(), { line: begin, continued, value: parts.join("") });
  }
  return header;
}
