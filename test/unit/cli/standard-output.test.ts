/** Built programs with a standard output, a working directory or limits that fail. */
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { build } from "../../../infra/tools/build.ts";

const test = suite<{ folder: string; probe: string }>("standard-output");
const root = new URL("../../..", import.meta.url).pathname;

/** Prints its first argument as the build's output, resolves the second one as a path, and writes to standard error that it goes on. */
const PROBE = `
import { resolve } from "node:path";
import { main } from "${root}lib/cli/main.ts";
import { createCommand, parse } from "${root}lib/cli/program.ts";
import { onOutputFailure, writeOutput } from "${root}lib/cli/standard-output.ts";
const info = { name: "probe", summary: "", examples: {}, variables: [], failures: [] };
await main("probe", async (argv) => {
  const { args } = parse(createCommand(info).argument("<text>").argument("[path]"), argv);
  onOutputFailure(({ message }) => process.stderr.write(\`at once: \${message}\\n\`));
  for (let n = 0; n < 3; n++) await writeOutput(Buffer.from(args[0]));
  if (args[1]) resolve(args[1]);
  if (args[0] === "late") await new Promise(() => setTimeout(() => { throw new Error("in a timer"); }));
  process.stderr.write("goes on\\n");
  return 0;
});
`;

test.before(async (context) => {
  const folder = mkdtempSync(join(tmpdir(), "cb-output-"));
  symlinkSync(join(root, "node_modules"), join(folder, "node_modules"));
  mkdirSync(join(folder, "cmd"));
  writeFileSync(join(folder, "cmd/probe.ts"), PROBE);
  const { programs } = await build({ sourceDir: folder, outDir: join(folder, "dist") });
  Object.assign(context, { folder, probe: programs[0] });
});
test.after(({ folder }) => rmSync(folder, { recursive: true }));

/** Runs a script of bash, in which `$0` is the probe. */
function run(script: string, { folder, probe }: { folder: string; probe: string }) {
  const { status, stdout, stderr } = spawnSync("bash", ["-c", script, probe], { cwd: folder, encoding: "utf8" });
  return { status, stdout, stderr };
}

test("a full disk is reported at once, the program goes on, and ends with 73", (context) => {
  const { status, stderr } = run('"$0" text > /dev/full', context);
  assert.is(status, 73);
  assert.match(stderr, /^at once: cannot write to standard output: ENOSPC.*\ngoes on\nprobe: cannot write/);
});

test("a file gets the whole output, and a closed file is no failure", (context) => {
  const { status, stderr } = run('"$0" text > whole', context);
  assert.is(status, 0);
  assert.is(stderr, "goes on\n");
  assert.is(readFileSync(join(context.folder, "whole"), "utf8"), "texttexttext");
});

test("a file that reaches its size limit is a failure, also when only a part of the last text fits", (context) => {
  const { status, stderr } = run('ulimit -f 1; "$0" "$(printf %0400d 1)" > part', context);
  assert.is(status, 73, stderr);
  assert.match(stderr, /EFBIG/);
  assert.is(readFileSync(join(context.folder, "part"), "utf8").length, 1024);
});

test("--help and --version on a full disk end with 73", (context) => {
  for (const option of ["--help", "--version"]) assert.is(run(`"$0" ${option} > /dev/full`, context).status, 73);
});

test("a closed pipe is harmless", (context) => {
  const { status, stderr } = run('"$0" text | true; exit $PIPESTATUS', context);
  assert.is(status, 0);
  assert.is(stderr, "goes on\n");
});

test("standard streams that the caller has closed count as /dev/null", (context) => {
  for (const closed of [">&-", "<&-", ">&- 2>&- <&-"]) assert.is(run(`"$0" text ${closed}`, context).status, 0, closed);
  assert.is(run('"$0" --version >&-', context).status, 0);
});

test("an error that no caller awaits ends with 70, not with 1", (context) => {
  const { status, stderr } = run('"$0" late', context);
  assert.is(status, 70, stderr);
  assert.match(stderr, "probe: this is a bug, please report it: Error: in a timer");
});

test("a deleted working directory is reported as such", (context) => {
  const { status, stderr } = run('mkdir gone; cd gone; rmdir ../gone; "$0" text relative', context);
  assert.is(status, 64, stderr);
  assert.match(stderr, /probe: the working directory does not exist any more\n {2}change to another directory/);
});

test("too few file descriptors for Node end with 75 and a remedy", (context) => {
  const { status, stderr } = run('ulimit -n 22; "$0" text', context);
  assert.is(status, 75, stderr);
  assert.match(stderr, /this process may open 22 files; at least 64 are needed\n {2}raise the limit/);
  assert.is(run('ulimit -n 64; "$0" text', context).status, 0);
});

test.run();
