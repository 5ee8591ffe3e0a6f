/** Code that nothing needs: files that nobody reaches, and exports that nobody uses. */
import { codeOf, withoutComments } from "./code.ts";
import { importsOf, type SourceFile } from "./source.ts";

/** Where something that lives may be; programs, tests and package.json are why it lives. */
const HOUSED = /^(?:lib|agent|infra)\//;

/** `scripts`: the text of package.json and of the CI script, which name files. */
export function unreachedFiles(files: readonly SourceFile[], scripts: string): string[] {
  const byPath = new Map(files.map((file) => [file.path, file]));
  const isEntry = ({ path }: SourceFile): boolean =>
    /^(?:cmd|test)\//.test(path) || path === "agent/main.ts" || scripts.includes(path);
  const waiting = files.filter(isEntry);
  const reached = new Set(waiting.map((file) => file.path));
  for (let file = waiting.pop(); file !== undefined; file = waiting.pop()) {
    for (const path of [...importsOf(file).map((found) => found.path), ...namedFiles(file)]) {
      const target = path === undefined ? undefined : byPath.get(path);
      if (target === undefined || reached.has(target.path)) continue;
      reached.add(target.path);
      waiting.push(target);
    }
  }
  const dead = files.filter(({ path }) => HOUSED.test(path) && !reached.has(path));
  return dead.map(({ path }) => `${path} is reached from no program, no test and no script`);
}

/** Files that a program starts by their path from the project's root. */
function namedFiles({ text }: SourceFile): string[] {
  return [...withoutComments(text).matchAll(/["'`/]((?:cmd|lib|agent|infra)\/[\w./-]+\.(?:ts|mjs))["'`]/g)].map(
    (match) => match[1] ?? "",
  );
}

/**
 * An export is used when a file that imports its file spells its name. A type that is part of another declaration of its own
 * file is used too: who calls a function may have to name its parameter one day.
 */
export function unusedExports(files: readonly SourceFile[]): string[] {
  const words = new Map<string, Set<string>>();
  for (const file of files) {
    const spelled = new Set(codeOf(file.text).match(/[\w$]+/g));
    for (const { path } of importsOf(file)) {
      if (path === undefined) continue;
      const sofar = words.get(path) ?? new Set<string>();
      for (const word of spelled) sofar.add(word);
      words.set(path, sofar);
    }
  }
  return files
    .filter(({ path }) => HOUSED.test(path))
    .flatMap((file) =>
      exportsOf(file)
        .filter(({ name, isType }) => !words.get(file.path)?.has(name) && !(isType && timesSpelled(file, name) > 1))
        .map(({ name }) => `${file.path} exports ${name}, which nobody uses`),
    );
}

function exportsOf({ text }: SourceFile): { name: string; isType: boolean }[] {
  const code = codeOf(text);
  const declared = [...code.matchAll(DECLARATION)].map(([, kind, name = ""]) => ({
    name,
    isType: kind === "type" || kind === "interface",
  }));
  const listed = [...code.matchAll(/^export\s*(type\s*)?\{([^}]*)\}/gm)].flatMap(([, type, names = ""]) =>
    names
      .split(",")
      .map((name) => name.trim().replace(/^.*\bas\s+|^type\s+/, ""))
      .filter(Boolean)
      .map((name) => ({ name, isType: type !== undefined })),
  );
  return [...declared, ...listed];
}

const DECLARATION = /^export\s+(?:async\s+|abstract\s+)*(function\*?|const|let|class|type|interface)\s+([\w$]+)/gm;

function timesSpelled({ text }: SourceFile, name: string): number {
  return codeOf(text)
    .split(/[^\w$]+/)
    .filter((word) => word === name).length;
}
