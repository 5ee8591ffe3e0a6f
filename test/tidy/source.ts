/** The project's own sources as the rules see them, and what one of them imports. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join, posix } from "node:path";
import { codeOf, withoutComments } from "./code.ts";

export interface SourceFile {
  /** From the project's root, with forward slashes. */
  readonly path: string;
  readonly text: string;
}

export interface Import {
  /** As written: `node:fs`, `nats`, `../errors.ts`. */
  readonly specifier: string;
  /** The path of the file it means, from the project's root; undefined for packages and Node's own modules. */
  readonly path: string | undefined;
  /** Whether only types come in; then nothing runs. */
  readonly typeOnly: boolean;
}

const FOLDERS = ["cmd", "lib", "agent", "infra", "test"];

/** Every TypeScript and .mjs file of the project. */
export function readSources(root: string): SourceFile[] {
  return FOLDERS.filter((folder) => existsSync(join(root, folder))).flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, encoding: "utf8" })
      .filter((name) => /\.(ts|mjs)$/.test(name))
      .map((name) => `${folder}/${name}`)
      .sort()
      .map((path) => ({ path, text: readFileSync(join(root, path), "utf8") })),
  );
}

/** Static imports, re-exports, `import()` and `new URL("./x.ts", import.meta.url)`. */
export function importsOf(file: SourceFile): Import[] {
  const text = withoutComments(file.text);
  const found = [
    ...matches(text, /^(?:import|export)\s+(?<type>type\s)?[^;"'`]*?\bfrom\s*["'](?<from>[^"']+)["']/gm),
    ...matches(text, /^import\s*["'](?<from>[^"']+)["']/gm),
    ...matches(text, /\bimport\(\s*["'](?<from>[^"']+)["']/g),
    ...matches(text, /\bnew URL\(\s*["'](?<from>\.[^"']+\.(?:ts|mjs))["']\s*,\s*import\.meta\.url/g),
  ];
  // A literal may hold source text, as in the tests of these rules: its keywords are no code.
  const code = codeOf(file.text);
  return found
    .filter((match) => /^(?:import|export|new)\b/.test(code.slice(match.index)))
    .map(({ groups }) => {
      const specifier = groups?.from ?? "";
      return { specifier, path: resolve(file.path, specifier), typeOnly: groups?.type !== undefined };
    });
}

function resolve(from: string, specifier: string): string | undefined {
  return specifier.startsWith(".") ? posix.join(posix.dirname(from), specifier) : undefined;
}

function matches(text: string, pattern: RegExp): RegExpExecArray[] {
  return [...text.matchAll(pattern)];
}

/** The line of a place in a text, counted from 1. */
export function lineAt(text: string, index: number): number {
  return text.slice(0, index).split("\n").length;
}
