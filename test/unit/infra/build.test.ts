import { execFileSync } from "node:child_process";
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { build } from "../../../infra/tools/build.ts";

const test = suite<{ sourceDir: string; outDir: string }>("infra/build");
const root = new URL("../../..", import.meta.url).pathname;

test.before.each((context) => {
  const sourceDir = mkdtempSync(join(tmpdir(), "cb-build-"));
  Object.assign(context, { sourceDir, outDir: join(sourceDir, "dist") });
  symlinkSync(join(root, "node_modules"), join(sourceDir, "node_modules"));
});
test.after.each(({ sourceDir }) => rmSync(sourceDir, { recursive: true }));

function write(path: string, text: string): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
}

/** Returns the output of a program that runs in a folder from which it can import nothing. */
function run(program: string, ...args: string[]): string {
  return execFileSync(program, args, { cwd: "/", encoding: "utf8" });
}

/** Uses each package that is CommonJS. */
const PACKAGES = `
import { Command } from "commander";
import { nkeys } from "nats";
import { pino } from "pino";
export const used = [typeof Command, nkeys.createUser().getPublicKey()[0], typeof pino({ enabled: false }).info];
`;

test("build() bundles each command into an executable that runs without node_modules", async ({
  sourceDir,
  outDir,
}) => {
  write(join(sourceDir, "lib/packages.ts"), PACKAGES);
  for (const name of ["cb-one", "cb-two"]) {
    write(
      join(sourceDir, `cmd/${name}.ts`),
      `const { used } = await import("../lib/packages.ts");\nconsole.log("${name}", ...used, process.argv[2]);\n`,
    );
  }
  const { programs, agent } = await build({ sourceDir, outDir });
  rmSync(join(sourceDir, "node_modules"));
  assert.equal(programs, [join(outDir, "bin/cb-one"), join(outDir, "bin/cb-two")]);
  assert.is(agent, undefined);
  for (const [i, name] of ["cb-one", "cb-two"].entries()) {
    assert.is(run(programs[i] ?? "", "x"), `${name} function U function x\n`);
  }
});

test("build() puts lazily imported modules into chunks", async ({ sourceDir, outDir }) => {
  write(join(sourceDir, "lib/heavy.ts"), PACKAGES);
  write(
    join(sourceDir, "cmd/cb-one.ts"),
    'if (process.argv[2]) console.log((await import("../lib/heavy.ts")).used.length);\n',
  );
  await build({ sourceDir, outDir });
  assert.ok(statSync(join(outDir, "bin/cb-one")).size < 2000);
  assert.ok(readdirSync(join(outDir, "chunks")).length >= 1);
});

/** The text of a program and of everything that Node reads before its first line. */
function textAtStart(path: string): string {
  const text = readFileSync(path, "utf8");
  const imports = text.matchAll(/^import\s+(?:[^"';]*?from\s+)?"(\.[^"]+)"/gm);
  return text + [...imports].map(([, file = ""]) => textAtStart(join(dirname(path), file))).join("");
}

test("container-builder prints its help without the code of a build, of NATS and of YAML", async ({ outDir }) => {
  await build({ outDir, programs: ["container-builder"], withAgent: false });
  const text = textAtStart(join(outDir, "bin/container-builder"));
  assert.match(text, "build a definition file");
  const lazy = readdirSync(join(outDir, "chunks")).map((name) => readFileSync(join(outDir, "chunks", name), "utf8"));
  for (const part of ["NatsConnectionImpl", "parseDocument", "buildFlow"]) {
    assert.not.match(text, part, `${part} is loaded at the start`);
    assert.ok(lazy.some((chunk) => chunk.includes(part)));
  }
});

test("build() bundles the agent into one file that runs without node_modules", async ({ sourceDir, outDir }) => {
  write(join(sourceDir, "lib/packages.ts"), PACKAGES);
  write(join(sourceDir, "agent/main.ts"), 'import { used } from "../lib/packages.ts";\nconsole.log(...used);\n');
  const { agent } = await build({ sourceDir, outDir });
  const moved = join(sourceDir, "elsewhere.mjs");
  writeFileSync(moved, readFileSync(agent ?? ""));
  rmSync(join(sourceDir, "node_modules"));
  assert.is(run(process.execPath, moved), "function U function\n");
});

test("build() replaces changed files only and removes files of earlier builds", async ({ sourceDir, outDir }) => {
  write(join(sourceDir, "cmd/cb-one.ts"), 'console.log("one");\n');
  write(join(sourceDir, "cmd/cb-two.ts"), 'console.log("two");\n');
  await build({ sourceDir, outDir });
  const before = statSync(join(outDir, "bin/cb-one")).ino;
  rmSync(join(sourceDir, "cmd/cb-two.ts"));
  await build({ sourceDir, outDir });
  assert.is(statSync(join(outDir, "bin/cb-one")).ino, before);
  assert.equal(readdirSync(join(outDir, "bin")), ["cb-one"]);
  write(join(sourceDir, "cmd/cb-one.ts"), 'console.log("one again");\n');
  await build({ sourceDir, outDir });
  assert.is(run(join(outDir, "bin/cb-one")), "one again\n");
});

test("build() builds nothing and does not fail when there are no programs", async ({ sourceDir, outDir }) => {
  assert.equal(await build({ sourceDir, outDir }), { programs: [], agent: undefined });
});

test("build() throws when a source does not compile, with its place, and keeps the earlier build", async ({
  sourceDir,
  outDir,
}) => {
  write(join(sourceDir, "cmd/cb-one.ts"), 'console.log("one");\n');
  await build({ sourceDir, outDir });
  write(join(sourceDir, "cmd/cb-one.ts"), "console.log(;\n");
  const error = await build({ sourceDir, outDir }).then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  assert.match(String(error), /cmd\/cb-one\.ts:1:12/);
  assert.is(run(join(outDir, "bin/cb-one")), "one\n");
});

test.run();
