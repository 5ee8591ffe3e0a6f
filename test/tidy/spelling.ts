/** Spellings that belong into one place only, as subjects do, and spellings that belong nowhere, as sleeps in tests. */
import { codeOf, withoutComments } from "./code.ts";
import { lineAt, type SourceFile } from "./source.ts";

/** A literal that begins like a subject, and is not the name of a file. */
const SUBJECT = /["'`](?:build|builder|queue)\.(?!(?:ya?ml|json|ts|mjs|sh|log|sock|pid|conf|sif|def)["'`])[a-z$<{*]/g;

/** Subjects are spelled in lib/protocol alone, so that changing one changes one place. */
export function subjectsOutsideProtocol(files: readonly SourceFile[]): string[] {
  const shipped = files.filter(({ path }) => /^(?:lib|cmd|agent)\//.test(path) && !path.startsWith("lib/protocol/"));
  return shipped.flatMap((file) => find(file, withoutComments(file.text), SUBJECT, "spells a subject"));
}

/** Skips tests, or runs a few as if they were all. */
const LEFT_OUT = /\.(?:only|skip|todo)\(/g;
/** A promise that waits until a time has passed. A timer that fails a test is a limit, and is allowed. */
const SLEEP = /\bsetTimeout\(\s*(?:resolve|done|ok|r|res)\b|(?<![cC]lock\.)\b(?:sleep|delay)\(|\bAtomics\.wait\(/g;
const TIMER_PROMISES = /["']node:timers\/promises["']/g;

/** Reads test files only: the modules of test/support may poll, within a bound. */
export function testsThatDoNotTest(files: readonly SourceFile[]): string[] {
  const tests = files.filter(({ path }) => path.endsWith(".test.ts"));
  return tests.flatMap((file) => [
    ...find(file, codeOf(file.text), LEFT_OUT, "leaves tests out"),
    ...find(file, codeOf(file.text), SLEEP, "sleeps instead of awaiting an event"),
    ...find(file, importLines(file.text), TIMER_PROMISES, "sleeps instead of awaiting an event"),
    ...(/\.run\(\);\s*\}?\s*$/.test(codeOf(file.text)) ? [] : [`${file.path} does not end with run()`]),
  ]);
}

/** Files that must return the same output for the same input at any time and on any machine. */
const PURE = /^lib\/(?:.*\/)?(?:planner|transitions|decide|match)\.ts$/;
const IMPURE: readonly (readonly [RegExp, string])[] = [
  [/\bDate\b|\bperformance\b/g, "reads the clock"],
  [/\bMath\.random\b|\bcrypto\b/g, "is random"],
  [/\bset(?:Timeout|Interval|Immediate)\b/g, "sets a timer"],
  [/\b(?:await|async)\b|\bnew Promise\b/g, "waits"],
  [/\b(?:process|console)\./g, "has an effect"],
];

export function impurePlanners(files: readonly SourceFile[]): string[] {
  const planners = files.filter(({ path }) => PURE.test(path));
  return planners.flatMap((file) => [
    ...IMPURE.flatMap(([pattern, problem]) => find(file, codeOf(file.text), pattern, problem)),
    ...impureImports(file),
  ]);
}

/** Imports of types are allowed from anywhere. Imports of code are allowed from files without effects. */
function impureImports(file: SourceFile): string[] {
  const pattern = /^import\s+(?!type\s)[^;]*?["'](?:node:[^"']+|[^"']*\/(?:log|clock)\.ts|pino|nats|undici)["']/gm;
  return find(file, importLines(file.text), pattern, "imports what has effects");
}

/** The file up to its last import statement: below it a literal may hold source text. */
function importLines(text: string): string {
  const code = codeOf(text);
  const last = [...code.matchAll(/^(?:import\b[^;]*;)/gm)].at(-1);
  return withoutComments(text).slice(0, last === undefined ? 0 : last.index + last[0].length);
}

function find(file: SourceFile, text: string, pattern: RegExp, problem: string): string[] {
  return [...text.matchAll(pattern)].map(
    (match) => `${file.path}:${lineAt(text, match.index)} ${problem}: ${match[0].trim()}`,
  );
}
