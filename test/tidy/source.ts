/** The project's own files as the rules see them. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

export interface SourceFile {
  /** From the project's root, with forward slashes. */
  readonly path: string;
  readonly text: string;
}

const FOLDERS = ["cmd", "lib", "agent", "infra", "test"];

/** The paths of all files in the folders of sources, in docs, in .ci and at the top level, from the project's root. */
export function listFiles(root: string): string[] {
  const top = readdirSync(root, { withFileTypes: true }).filter((entry) => entry.isFile());
  const below = [...FOLDERS, "docs", ".ci"].flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name).slice(root.length)),
  );
  return [...top.map(({ name }) => name), ...below].map((path) => path.replace(/^\//, "")).sort();
}

/** Every TypeScript and .mjs file of the project. */
export function readSources(root: string): SourceFile[] {
  const isSource = (path: string) => path.includes("/") && /\.(ts|mjs)$/.test(path);
  return read(root, listFiles(root).filter(isSource));
}

/** Every shell and Python script, also those without an extension, and every document. */
export function readTexts(root: string): SourceFile[] {
  const files = read(
    root,
    listFiles(root).filter((path) => /\.(sh|py|md)$/.test(path) || /(^|\/)[^.]+$/.test(path)),
  );
  return files.filter(({ path, text }) => path.includes(".") || /^#!.*\b(sh|bash|python3)\b/.test(text));
}

function read(root: string, paths: readonly string[]): SourceFile[] {
  return paths.map((path) => ({ path, text: readFileSync(join(root, path), "utf8") }));
}

/** The line of the character `index` of a text, counted from 1. */
export function lineAt(text: string, index: number): number {
  return text.slice(0, index).split("\n").length;
}
