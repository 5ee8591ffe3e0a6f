/** Which test files there are, which of them a call means, and how each wants to be run. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { CbError } from "../../lib/core/errors.ts";
import type { Driver } from "../openstack/testbed/tree.ts";
import { codeOf } from "../tidy/code.ts";

/** The slowest file took 178 s, on a loaded machine where it had to make the root file system first; two thirds as much again. */
const DEFAULT_TIMEOUT_MS = 300_000;

export interface Selection {
  /** Parts of a path, or globs with `*`; a file that any of them names is meant. None: all files. */
  readonly patterns: readonly string[];
  /** Only what needs no process and no tool: everything outside test/integration. */
  readonly unitOnly: boolean;
  /** Also the files named `*.full.*`, which take minutes. */
  readonly full: boolean;
  /** Only the files with a line `// slow: WHY`; else those are left out, unless patterns mean them or it is `full`. */
  readonly slow: boolean;
  /** The files named `*.openstack.test.ts` and no others; else all but those. */
  readonly openstack: boolean;
}

export interface TestFile {
  /** From the project's root, with forward slashes. */
  readonly path: string;
  /** From a line `// timeout: 600 s` of the file, else 300 s. */
  readonly timeoutMs: number;
  readonly declaredSuites: number;
  /** It starts servers and sandboxes, for which programs must be there. */
  readonly needsTools: boolean;
  /** By a line `// alone: WHY` of the file: no other file runs meanwhile. */
  readonly alone: boolean;
  /** By a line `// slow: WHY` of the file: CI runs it after `npm test`, which would take too long with it. */
  readonly slow: boolean;
  /** The OpenStack in whose network it runs: by a line `// testbed: libvirt` the one with real machines, else the fake one. */
  readonly testbed?: Driver;
}

/** Throws CbError "usage" when the selection means no file. */
export function discover(root: string, selection: Selection): TestFile[] {
  const all = readdirSync(join(root, "test"), { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".test.ts"))
    .map((name) => `test/${name}`);
  const named = selection.patterns.filter((pattern) => pattern.endsWith(".ts") && existsSync(join(root, pattern)));
  const paths = [...new Set([...all.filter((path) => isMeant(path, selection)), ...named])].sort();
  const chosen = paths.map((path) => describe(path, readFileSync(join(root, path), "utf8")));
  const meant = chosen.filter(({ slow }) => isTimely(slow, selection));
  if (meant.length === 0) {
    const what = selection.patterns.join(" ") || "this selection";
    const others = { ...selection, full: true, unitOnly: false };
    const isIn = (openstack: boolean): boolean => all.some((path) => isMeant(path, { ...others, openstack }));
    const script = isIn(false) ? "test:full" : isIn(true) ? "test:openstack" : undefined;
    const hint = script
      ? `it is left out of this kind of run: try \`npm run ${script} -- PATTERN\``
      : "see the folder test";
    throw new CbError("usage", `no test file matches ${what}`, { hint });
  }
  return meant;
}

export function isTimely(slow: boolean, selection: Pick<Selection, "slow" | "full" | "patterns">): boolean {
  if (selection.slow) return slow;
  return !slow || selection.full || selection.patterns.length > 0;
}

export function isMeant(path: string, { patterns, unitOnly, full, openstack }: Selection): boolean {
  if (openstack !== isOpenStack(path)) return false;
  if (unitOnly && isIntegration(path)) return false;
  if (!full && /\.full\.(openstack\.)?test\.ts$/.test(path)) return false;
  return patterns.length === 0 || patterns.some((pattern) => matches(path, pattern));
}

function matches(path: string, pattern: string): boolean {
  if (!pattern.includes("*")) return path.includes(pattern);
  const parts = pattern.split("*").map((part) => part.replace(/[.+?^${}()|[\]\\]/g, "\\$&"));
  return new RegExp(parts.join(".*")).test(path);
}

function isIntegration(path: string): boolean {
  return path.startsWith("test/integration/") || path.endsWith(".full.test.ts") || isOpenStack(path);
}

function isOpenStack(path: string): boolean {
  return path.endsWith(".openstack.test.ts");
}

export function describe(path: string, text: string): TestFile {
  const seconds = /^\/\/ timeout: (\d+) s$/m.exec(text)?.[1];
  return {
    path,
    timeoutMs: seconds === undefined ? DEFAULT_TIMEOUT_MS : Number(seconds) * 1000,
    declaredSuites: countSuites(text),
    needsTools: isIntegration(path),
    alone: /^\/\/ alone: \S/m.test(text),
    slow: /^\/\/ slow: \S/m.test(text),
    ...(isOpenStack(path) && { testbed: /^\/\/ testbed: libvirt$/m.test(text) ? "libvirt" : "fake" }),
  };
}

/** `const x = suite(…)`, and the suite without a name that `import { test } from "uvu"` stands for. */
function countSuites(text: string): number {
  const code = codeOf(text);
  const named = code.match(/=\s*suite\s*[<(]/g)?.length ?? 0;
  const imports = [...code.matchAll(/import\s*\{[^}]*\btest\b[^}]*\}\s*from\s*/g)];
  const unnamed = imports.filter(({ index, 0: match }) => text.startsWith('"uvu"', index + match.length));
  return named + unnamed.length;
}
