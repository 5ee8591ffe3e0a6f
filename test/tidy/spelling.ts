/** What may be spelled in one place only, and what may not be spelled at all. */
import { codeOf, withoutComments } from "./code.ts";
import { lineAt, type SourceFile } from "./source.ts";

/** A text that begins like a subject, and is not the name of a file. */
const SUBJECT = /["'`](?:build|builder|queue)\.(?!(?:ya?ml|json|ts|mjs|sh|log|sock|pid|conf|sif|def)["'`])[a-z$<{*]/g;

/** Subjects are in lib/protocol, so that a change of one is a change in one place. */
export function subjectsOutsideProtocol(files: readonly SourceFile[]): string[] {
  const concerned = files.filter(({ path }) => /^(?:lib|cmd|agent)\//.test(path) && !path.startsWith("lib/protocol/"));
  return concerned.flatMap((file) => find(file, withoutComments(file.text), SUBJECT, "spells a subject"));
}

/** Leaves out tests that would run, or runs a few as if they were all. */
const LEFT_OUT = /\.(?:only|skip|todo)\(/g;
/** A promise that waits for time to pass; a timer that fails something is a limit and is fine. */
const SLEEP = /\bsetTimeout\(\s*(?:resolve|done|ok|r|res)\b|(?<!clock\.)\b(?:sleep|delay)\(|\bAtomics\.wait\(/g;
const TIMER_PROMISES = /["']node:timers\/promises["']/g;

/** In test files; what they share in test/support may poll, within a bound. */
export function testsThatDoNotTest(files: readonly SourceFile[]): string[] {
  const tests = files.filter(({ path }) => path.endsWith(".test.ts"));
  return tests.flatMap((file) => [
    ...find(file, codeOf(file.text), LEFT_OUT, "leaves tests out"),
    ...find(file, codeOf(file.text), SLEEP, "sleeps instead of awaiting an event"),
    ...find(file, importLines(file.text), TIMER_PROMISES, "sleeps instead of awaiting an event"),
    ...(/\.run\(\);\s*\}?\s*$/.test(codeOf(file.text)) ? [] : [`${file.path} does not end with run()`]),
  ]);
}

/** Files whose whole point is that the same input gives the same answer, whenever and wherever. */
const PURE = /^lib\/(?:.*\/)?(?:planner|transitions|decide|match)\.ts$/;
const IMPURE: readonly (readonly [RegExp, string])[] = [
  [/\bDate\b|\bperformance\b/g, "asks the clock"],
  [/\bMath\.random\b|\bcrypto\b/g, "is random"],
  [/\bset(?:Timeout|Interval|Immediate)\b/g, "sets a timer"],
  [/\b(?:await|async)\b|\bnew Promise\b/g, "waits"],
  [/\b(?:process|console)\./g, "reaches out"],
];

export function impurePlanners(files: readonly SourceFile[]): string[] {
  const planners = files.filter(({ path }) => PURE.test(path));
  return planners.flatMap((file) => [
    ...IMPURE.flatMap(([pattern, what]) => find(file, codeOf(file.text), pattern, what)),
    ...impureImports(file),
  ]);
}

/** Types are fine from anywhere; anything that runs, only from files that are pure by the same rule of thumb. */
function impureImports(file: SourceFile): string[] {
  const pattern = /^import\s+(?!type\s)[^;]*?["'](?:node:[^"']+|[^"']*\/(?:log|clock)\.ts|pino|nats|undici)["']/gm;
  return find(file, importLines(file.text), pattern, "imports what has effects");
}

/** The top of a file up to its last import statement, where no literal holds source text. */
function importLines(text: string): string {
  const code = codeOf(text);
  const last = [...code.matchAll(/^(?:import\b[^;]*;)/gm)].at(-1);
  return withoutComments(text).slice(0, last === undefined ? 0 : last.index + last[0].length);
}

function find(file: SourceFile, text: string, pattern: RegExp, what: string): string[] {
  return [...text.matchAll(pattern)].map(
    (match) => `${file.path}:${lineAt(text, match.index)} ${what}: ${match[0].trim()}`,
  );
}
