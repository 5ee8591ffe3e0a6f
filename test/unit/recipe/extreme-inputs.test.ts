/**
 * Every reader of a recipe or an ignore file returns or refuses within a second, also for the longest text: a reader that
 * is slow makes the client deaf to Ctrl-C, and a RangeError looks like a bug.
 */
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { CbError } from "../../../lib/core/errors.ts";
import { type Backend, RECIPE_MAX_BYTES, type Recipe } from "../../../lib/protocol/build-messages.ts";
import { backendOf } from "../../../lib/recipe/backend.ts";
import { withCallerEnvironment } from "../../../lib/recipe/caller-environment.ts";
import { globMatcher } from "../../../lib/recipe/context/glob.ts";
import { ignoreFile } from "../../../lib/recipe/context/ignore-file.ts";
import { inputsOf } from "../../../lib/recipe/inputs.ts";
import { recipeNotes } from "../../../lib/recipe/notes.ts";
import { rebaseSources } from "../../../lib/recipe/rebase.ts";
import { decodeRecipe, encodeRecipe } from "../../../lib/recipe/recipe-text.ts";

const test = suite("extreme inputs");

/**
 * Processor time of this process: other programs on the machine do not count. On a quiet machine every case takes less than a
 * second; a processor that other work shares takes up to twice as long for the same work.
 */
const LIMIT_MS = 3000;
const ENVIRONMENT = { HOME: "/h".repeat(2000), A: "a".repeat(100_000) };

/** Runs `read`. A CbError "usage" is a good end; any other error fails the test. */
function assertBounded(name: string, read: () => unknown): CbError | undefined {
  const before = process.cpuUsage();
  let refusal: CbError | undefined;
  try {
    read();
  } catch (error) {
    if (!(error instanceof CbError)) throw new Error(`${name}: ${String(error)}`, { cause: error });
    assert.is(error.kind, "usage", `${name}: ${error.message}`);
    refusal = error;
  }
  const ms = process.cpuUsage(before).user / 1000;
  assert.ok(ms < LIMIT_MS, `${name}: ${ms} ms`);
  return refusal;
}

function readDefinition(name: string, text: string, buildArgs: Recipe["buildArgs"] = {}): CbError | undefined {
  const recipe: Recipe = { backend: "singularity", text: text.slice(0, RECIPE_MAX_BYTES), buildArgs };
  const refusal = assertBounded(`${name}: inputs`, () => inputsOf(recipe));
  assertBounded(`${name}: environment`, () => withCallerEnvironment(recipe, ENVIRONMENT));
  assertBounded(`${name}: backend`, () => backendOf(recipe.text, "recipe"));
  // A builder gets only a recipe that the client has read.
  if (refusal === undefined) assertBounded(`${name}: rebase`, () => rebaseSources(recipe, "/ctx", () => false));
  return refusal;
}

function readDockerfile(name: string, text: string, buildArgs: Recipe["buildArgs"] = {}): CbError | undefined {
  const recipe: Recipe = { backend: "docker", text: text.slice(0, RECIPE_MAX_BYTES), buildArgs };
  assertBounded(`${name}: notes`, () => recipeNotes(recipe));
  return assertBounded(`${name}: inputs`, () => inputsOf(recipe));
}

/** As many as fit into the longest recipe. */
const filled = (part: string): string => part.repeat(Math.floor(RECIPE_MAX_BYTES / part.length));
const numbered = (count: number, line: (number: number) => string): string =>
  Array.from({ length: count }, (_, number) => line(number)).join("\n");

test("long definition files are read in a second", () => {
  const files = "Bootstrap: scratch\n%files\n";
  const setup = `Bootstrap: scratch\n%setup\n${"touch $X/y-$V/z a* {b,c}\n".repeat(15_000)}%files\n`;
  const cases: Record<string, string> = {
    "From with many @": `Bootstrap: oci\nFrom: ${filled("@")}`,
    "From with many @ and slashes": `Bootstrap: oci\nFrom: ${filled("@/")}`,
    "archive with colons": `Bootstrap: docker-archive\nFrom: ${filled(":")}`,
    ranges: files + "{1..9999} /x\n".repeat(250),
    "long alternatives": files + `${"x".repeat(4000)}{1..9999} /x\n`.repeat(200),
    "deepest braces": files + `${"{a,b".repeat(32)}c${"}".repeat(32)}{d,e}{f,g}\n`.repeat(4000),
    "nested braces": files + `${"{a,".repeat(1000)}b${"}".repeat(1000)}\n`.repeat(200),
    "ranges of one value": files + `${"{a,b}".repeat(13)}${"{1..1}".repeat(500)}\n`.repeat(250),
    "open braces": files + `${"{".repeat(4000)}\n`.repeat(250),
    "open brackets": files + `${"[".repeat(4000)}\\]\n`.repeat(250),
    "named classes": files + `${"[:".repeat(2000)}\n`.repeat(250),
    "short lines": files + filled("a\n"),
    "deep paths below a script": setup + `${"a/".repeat(2000)}\n`.repeat(150),
    "patterns beside a long script": setup + numbered(20_000, (number) => `b${number}*`),
    arguments: `${files}${"{{A}}".repeat(100_000)}`,
    "arguments after a comment": `${files}${"x".repeat(400_000)}#x${"{{A}}".repeat(100_000)}`,
    "empty arguments": `${files}${filled("{{E}}")}`,
    "line breaks": `${files}${filled("{{L}}")}`,
    "arguments of arguments": `Bootstrap: scratch\n%arguments\nb=${"x".repeat(200_000)}\na={{b}}${"{{b}}".repeat(1000)}\n%files\n${"{{a}}".repeat(1000)}`,
    "open arguments": `${files}${filled("{{ a")}`,
    environment: `${files}${filled("$A")}`,
    "lines of environment": files + filled("$HOME/x\n"),
    home: files + filled("~/x\n"),
    "open environment": `${files}${filled("${A")}`,
    "percent signs": `${filled("%").slice(0, -4)} \u2028x`,
    stages: filled("Bootstrap: scratch\n"),
    header: filled("a:\\\n"),
    blanks: `${filled(" ")}`,
    quotes: `${files}${filled('"')}`,
    "single quotes": `${files}${filled("'")}`,
    appfiles: `Bootstrap: scratch\n%appfiles x\n${filled("a/")}`,
  };
  const buildArgs = { A: "a".repeat(4096), E: "", L: "\n/x" };
  for (const [name, text] of Object.entries(cases)) readDefinition(name, text, buildArgs);
});

test("long Dockerfiles are read in a second", () => {
  const from = "FROM debian\n";
  const cases: Record<string, string> = {
    "here-documents": from + numbered(20_000, (number) => `RUN <<E${number}\nE${number}`),
    "here-documents without an end": from + numbered(40_000, (number) => `RUN <<-E${number}`),
    "doubled values": `${from}ENV A=a\n${"ENV A=$A$A\n".repeat(60)}COPY $A /x\n`,
    "uses of a long value": `${from}ENV A=${"a".repeat(500_000)}\n${"COPY $A /x\n".repeat(30_000)}`,
    "one word of variables": `${from}ENV A=${"a".repeat(1000)}\nCOPY ${"$A".repeat(400_000)} /x\n`,
    "many variables": from + numbered(70_000, (number) => `ENV a${number}=$a${number}`),
    "many variables of many stages": `FROM x AS a\n${numbered(35_000, (number) => `ENV a${number}=1`)}\n${"FROM a AS b\n".repeat(40_000)}`,
    "many sources": `${from}COPY ${"a ".repeat(400_000)}/x\n`,
    brackets: `${from}${`COPY ${"[".repeat(4000)}\\] /x\n`.repeat(250)}`,
    "long brackets": `${from}COPY ${"[".repeat(1_000_000)} /x\n`,
    "long quoted word": `${from}COPY "${"a".repeat(1_000_000)}" /x\n`,
    escapes: `${from}COPY "${"\\a".repeat(500_000)}" /x\n`,
    "open quotes": `${from}COPY ${'"\\'.repeat(500_000)} /x\n`,
    "single quotes": `${from}COPY ${"'".repeat(1_000_001)} /x\n`,
    flags: `${from}COPY ${"--a ".repeat(250_000)}a /x\n`,
    "long flag": `${from}RUN --mount=${"a,".repeat(500_000)} x\n`,
    continued: `${from}RUN ${filled("\\\n")}`,
    backslashes: `${from}RUN ${filled("\\ ")}x`,
    arrays: `${from}COPY ${"[".repeat(500_000)}${"]".repeat(500_000)}\n`,
    strings: `${from}COPY [${'"a",'.repeat(250_000)}"/x"]\n`,
    folders: `${from}COPY ${"**/".repeat(300_000)}x /x\n`,
    forms: `${from}ENV A=\nCOPY ${"${A:-".repeat(200_000)} /x\n`,
    arguments: filled("ARG A=$A\n"),
    newlines: `${filled("\n")}`,
    "many patterns": from + filled("COPY a* b /x\n"),
  };
  for (const [name, text] of Object.entries(cases)) readDockerfile(name, text, { B: "b".repeat(4096) });
});

test("a refusal of a product names the line", () => {
  const definition = (text: string) =>
    readDefinition("", `Bootstrap: scratch\n%files\n${text}`, { A: "a".repeat(4096) })?.message ?? "";
  assert.match(
    definition("{1..9999} /x\n".repeat(250)),
    /^line 13: %files: the recipe stands for more than 100000 paths/,
  );
  assert.match(definition("{{A}}".repeat(100_000)), "line 3 of the recipe: the build arguments expand to more than");
  const doubled = readDockerfile("", `FROM a\nENV A=a\n${"ENV A=$A$A\n".repeat(60)}`)?.message ?? "";
  assert.match(doubled, /^line \d+: the variables expand to more than 4194304 characters/);
  assert.match(definition("a\n".repeat(100_001)), /^the recipe has 10000\d lines; the limit is 100000/);
  const words = readDockerfile("", `FROM a\nCOPY ${"a ".repeat(50_000)}/x\n`)?.message ?? "";
  assert.match(words, /^line 2: COPY and ADD have more than 50000 words/);
});

test("ignore files with extreme patterns are read, and matched in a second a path", () => {
  const names = ["a".repeat(60), "a/".repeat(2000).slice(0, -1)];
  const patterns = [
    "*a*a*a*a*a*a*a*a*a*a*b",
    "**/".repeat(1300),
    `${"**/a/".repeat(800)}b`,
    "*a".repeat(2000),
    "[".repeat(4096),
    `${"[".repeat(4000)}\\]`,
    "[a-".repeat(1300),
    "?".repeat(4096),
    "a**b**c**d",
    "*/../".repeat(800),
    "\\".repeat(4095),
    `[${"a-z".repeat(1300)}]`,
  ];
  for (const pattern of patterns) {
    const name = pattern.slice(0, 20);
    assertBounded(name, () => {
      const file = ignoreFile("/x", `${pattern}\n`.repeat(Math.floor((256 * 1024) / (pattern.length + 1))));
      for (const path of names) file.ignores(path);
    });
  }
  for (const text of [filled("a\n"), filled("*"), filled("["), filled("!\n"), filled("#"), filled(" ")]) {
    assertBounded(text.slice(0, 5), () => ignoreFile("/x", text).ignores("a/b"));
  }
});

/** Numbers from 0 to `below` - 1. */
function randomNumbers(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fffffff;
    return Math.floor((state / 0x80000000) * below);
  };
}

const PARTS: Record<Backend, readonly string[]> = {
  singularity: [
    "Bootstrap: oci\n",
    "From: ",
    "%files\n",
    "%setup\n",
    "%arguments\n",
    "a=",
    "{{",
    "}}",
    "{{ a }}",
    "\n",
    "#",
    "@",
    ":",
  ],
  docker: ["FROM ", "COPY ", "ADD ", "RUN ", "ENV ", "ARG ", "<<", "E\n", "\n", "--mount=", "\\\n", "${", ":-"],
};
const COMMON = [
  "a",
  " ",
  "*",
  "**",
  "/",
  "[",
  "]",
  "[:",
  ":]",
  "{",
  ",",
  "}",
  "..",
  "1",
  "\\",
  '"',
  "'",
  "$a",
  "$",
  "=",
  "!",
  "?",
  "\udc80",
  "ä",
];

test("random recipes of up to 1 MiB are read in a second", () => {
  for (let seed = 1; seed <= 12; seed += 1) {
    const next = randomNumbers(seed);
    const backend = seed % 2 === 0 ? "docker" : "singularity";
    const parts = [...PARTS[backend], ...COMMON];
    const some = Array.from({ length: 1 + next(8) }, () => parts[next(parts.length)] ?? "");
    // Few different parts, repeated often, make the long runs that a slow reader needs.
    let text = backend === "docker" ? "FROM a\n" : "Bootstrap: scratch\n%files\n";
    const length = [1000, 30_000, RECIPE_MAX_BYTES / 3][next(3)] ?? 0;
    while (text.length < length) text += (some[next(some.length)] ?? "").repeat(1 + next(200));
    const read = backend === "docker" ? readDockerfile : readDefinition;
    read(`seed ${seed}`, text, { a: "b*".repeat(next(2000)) });
    assertBounded(`seed ${seed}: ignore`, () => ignoreFile("/x", text).ignores("aaa/*a/b"));
    const pattern = text.slice(0, 4096);
    assertBounded(`seed ${seed}: glob`, () => globMatcher(pattern, "shell")("a*".repeat(120)));
  }
});

test("any bytes are text and the same bytes again", () => {
  for (let seed = 1; seed <= 6; seed += 1) {
    const next = randomNumbers(seed);
    const bytes = Buffer.from(Array.from({ length: next(300_000) }, () => (next(3) === 0 ? 128 : 0) + 1 + next(127)));
    assertBounded(`seed ${seed}`, () => {
      const text: unknown = JSON.parse(JSON.stringify(decodeRecipe(bytes)));
      assert.ok(encodeRecipe(String(text)).equals(bytes));
    });
  }
});

test.run();
