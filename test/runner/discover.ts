/** Finds the test files that a command line selects, and reads how each is to be run. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { CbError } from "../../lib/core/errors.ts";
import type { Driver } from "../openstack/testbed/tree.ts";
import { codeOf } from "../tidy/code.ts";

/** The slowest file took 178 s, on a loaded machine where it first created the root file system; two thirds are added to that. */
const DEFAULT_TIMEOUT_MS = 300_000;

export interface Selection {
  /** Parts of a path, or globs with `*`. A file is selected when one of them matches. None: all files. */
  readonly patterns: readonly string[];
  /** Only tests that start no other program: those outside test/integration. */
  readonly unitOnly: boolean;
  /** Also the files named `*.full.*`, which take minutes. */
  readonly full: boolean;
  /** Only the files with a line `// slow: REASON`. False: leave them out, unless there are patterns or `full` is true. */
  readonly slow: boolean;
  /** Only the files named `*.openstack.test.ts`. False: leave them out. */
  readonly openstack: boolean;
  /** Only the files named `*.deploy.test.ts`. False: leave them out. */
  readonly deploy: boolean;
}

export interface TestFile {
  /** Relative to the project's root, with forward slashes. */
  readonly path: string;
  /** From a line `// timeout: 600 s` in the file; default 300 s. */
  readonly timeoutMs: number;
  readonly declaredSuites: number;
  /** True if it starts servers or sandboxes, for which programs must be installed. */
  readonly needsTools: boolean;
  /** True if the file has a line `// alone: REASON`: no other file runs at the same time. */
  readonly alone: boolean;
  /** True if the file has a line `// slow: REASON`: CI runs it after `npm test`, to keep that short. */
  readonly slow: boolean;
  /** It runs in the network of this OpenStack: with real machines after a line `// testbed: libvirt`, else the fake one. */
  readonly testbed?: Driver;
}

/** Throws CbError "usage" when the selection matches no file. */
export function discover(root: string, selection: Selection): TestFile[] {
  const all = readdirSync(join(root, "test"), { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".test.ts"))
    .map((name) => `test/${name}`);
  const named = selection.patterns.filter((pattern) => pattern.endsWith(".ts") && existsSync(join(root, pattern)));
  const paths = [...new Set([...all.filter((path) => isSelected(path, selection)), ...named])].sort();
  const candidates = paths.map((path) => describe(path, readFileSync(join(root, path), "utf8")));
  const selected = candidates.filter(({ slow }) => isSpeedSelected(slow, selection));
  if (selected.length === 0) {
    const pattern = selection.patterns.join(" ") || "this selection";
    const others = { ...selection, full: true, unitOnly: false, openstack: false, deploy: false };
    const isIn = (own: Partial<Selection>): boolean => all.some((path) => isSelected(path, { ...others, ...own }));
    const script = isIn({})
      ? "test:full"
      : isIn({ openstack: true })
        ? "test:openstack"
        : isIn({ deploy: true })
          ? "test:deploy"
          : undefined;
    const hint = script
      ? `this kind of run leaves it out: try \`npm run ${script} -- PATTERN\``
      : "see the folder test";
    throw new CbError("usage", `no test file matches ${pattern}`, { hint });
  }
  return selected;
}

export function isSpeedSelected(slow: boolean, selection: Pick<Selection, "slow" | "full" | "patterns">): boolean {
  if (selection.slow) return slow;
  return !slow || selection.full || selection.patterns.length > 0;
}

export function isSelected(path: string, { patterns, unitOnly, full, openstack, deploy }: Selection): boolean {
  if (openstack !== isOpenStack(path) || deploy !== isDeploy(path)) return false;
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
  return path.startsWith("test/integration/") || path.endsWith(".full.test.ts") || isOpenStack(path) || isDeploy(path);
}

function isOpenStack(path: string): boolean {
  return path.endsWith(".openstack.test.ts");
}

function isDeploy(path: string): boolean {
  return path.endsWith(".deploy.test.ts");
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
    ...((isOpenStack(path) || isDeploy(path)) && {
      testbed: /^\/\/ testbed: libvirt$/m.test(text) ? "libvirt" : "fake",
    }),
  };
}

/** Counts `const x = suite(…)`, and imports of uvu's `test`, which is a suite without a name. */
function countSuites(text: string): number {
  const code = codeOf(text);
  const named = code.match(/=\s*suite\s*[<(]/g)?.length ?? 0;
  const imports = [...code.matchAll(/import\s*\{[^}]*\btest\b[^}]*\}\s*from\s*/g)];
  const unnamed = imports.filter(({ index, 0: match }) => text.startsWith('"uvu"', index + match.length));
  return named + unnamed.length;
}
