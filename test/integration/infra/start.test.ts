// alone: it sends signals to npm and depends on its timing.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  watch,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { suite } from "uvu";
import * as assert from "uvu/assert";
import { findPrograms } from "../../../infra/tools/setup/find-program.ts";

const test = suite<{ project: string }>("infra/tools/start.mjs");

/** A project with one local package, so that npm needs no network. Its `tsx` does not compile anything. */
test.before.each((context) => {
  const project = realpathSync(mkdtempSync(join(tmpdir(), "cb-start-")));
  context.project = project;
  for (const folder of ["infra/tools", "tsx", "bin"]) mkdirSync(join(project, folder), { recursive: true });
  copyFileSync(new URL("../../../infra/tools/start.mjs", import.meta.url), join(project, "infra/tools/start.mjs"));
  write(project, "tsx/package.json", { name: "tsx", version: "1.0.0", type: "module", exports: "./index.js" });
  writeFileSync(join(project, "tsx/index.js"), "");
  write(project, "package.json", { name: "p", version: "1.0.0", dependencies: { tsx: "file:tsx" } });
  lock(project, "1.0.0");
  // Records the call, then runs npm.
  program(project, "npm", `echo called >> '${project}/npm.log'\nexec '${findPrograms("npm")[0]}' "$@"`);
});
test.after.each(({ project }) => rmSync(project, { recursive: true }));

function write(project: string, name: string, value: unknown): void {
  writeFileSync(join(project, name), JSON.stringify(value));
}

function lock(project: string, version: string): void {
  const packages = {
    "": { name: "p", version: "1.0.0", dependencies: { tsx: "file:tsx" } },
    "node_modules/tsx": { resolved: "tsx", link: true },
    tsx: { version },
  };
  write(project, "package-lock.json", { name: "p", version: "1.0.0", lockfileVersion: 3, requires: true, packages });
}

function program(project: string, name: string, body: string): void {
  const path = join(project, "bin", name);
  writeFileSync(path, `#!/bin/sh\n${body}\n`);
  chmodSync(path, 0o755);
}

function script(project: string, body: string): string {
  const path = join(project, "script.mjs");
  writeFileSync(path, body);
  return path;
}

function start(project: string, args: string[], path = `${join(project, "bin")}${delimiter}${process.env.PATH}`) {
  return spawn(process.execPath, [join(project, "infra/tools/start.mjs"), ...args], {
    cwd: project,
    env: { ...process.env, PATH: path },
    stdio: ["ignore", "pipe", "pipe"],
  });
}

async function ending(child: ChildProcess) {
  const printed = { stdout: "", stderr: "" };
  child.stdout?.on("data", (chunk) => {
    printed.stdout += chunk;
  });
  child.stderr?.on("data", (chunk) => {
    printed.stderr += chunk;
  });
  const [code, signal] = (await once(child, "close")) as [number | null, string | null];
  return { ...printed, code, signal };
}

function timesNpmWasCalled(project: string): number {
  const log = join(project, "npm.log");
  return existsSync(log) ? readFileSync(log, "utf8").trim().split("\n").length : 0;
}

test("installs missing packages and reports it on stderr, and prints nothing the next time", async ({ project }) => {
  const path = script(project, 'console.log("ran");');
  const first = await ending(start(project, [path]));
  assert.is(first.stdout, "ran\n");
  assert.match(first.stderr, /not installed yet\n.*done in \d+\.\d s\n$/s);
  const second = await ending(start(project, [path]));
  assert.equal([second.stdout, second.stderr, timesNpmWasCalled(project)], ["ran\n", "", 1]);
});

test("installs again when package-lock.json names another version", async ({ project }) => {
  await ending(start(project, ["--install"]));
  lock(project, "1.0.1");
  write(project, "tsx/package.json", { name: "tsx", version: "1.0.1", type: "module", exports: "./index.js" });
  const { stderr, code } = await ending(start(project, ["--install"]));
  assert.match(stderr, /package-lock.json has changed \(tsx\)/);
  assert.equal([code, timesNpmWasCalled(project)], [0, 2]);
});

test("installs once when several processes start at the same time", async ({ project }) => {
  const path = script(project, 'console.log("ran");');
  const all = await Promise.all([1, 2, 3].map(() => ending(start(project, [path]))));
  assert.equal(
    all.map(({ stdout, code }) => [stdout, code]),
    Array(3).fill(["ran\n", 0]),
  );
  assert.is(timesNpmWasCalled(project), 1);
});

test("prints npm's output and the next step when the installation fails", async ({ project }) => {
  program(project, "npm", "echo no space left on device >&2; exit 1");
  const { code, stderr } = await ending(start(project, ["--install"]));
  assert.is(code, 75);
  assert.match(stderr, /no space left on device\n.*npm ci failed/s);
});

test("names the command that installs npm when npm is missing", async ({ project }) => {
  const only = join(project, "only");
  mkdirSync(only);
  symlinkSync(findPrograms("flock")[0] ?? "", join(only, "flock"));
  const { code, stderr } = await ending(start(project, ["--install"], only));
  assert.is(code, 78);
  assert.match(stderr, /npm is missing.*\n.*sudo apt-get install -y npm/);
});

test("passes the arguments to the script, and returns its exit code", async ({ project }) => {
  const path = script(project, "console.log(JSON.stringify(process.argv.slice(1))); process.exitCode = 7;");
  await ending(start(project, ["--install"]));
  const { stdout, code } = await ending(start(project, ["script.mjs", "--force", "a b"]));
  assert.equal(JSON.parse(stdout), [path, "--force", "a b"]);
  assert.is(code, 7);
});

test("delivers one SIGINT of two in a row, and every other signal", async ({ project }) => {
  const path = script(
    project,
    `let interrupts = 0;
    process.on("SIGINT", () => {
      interrupts++;
      // npm sends the same signal again, a few ms later.
      process.kill(process.pid, "SIGINT");
      setImmediate(() => process.kill(process.pid, "SIGTERM"));
    });
    process.on("SIGTERM", () => process.exit(interrupts));
    setInterval(() => {}, 1000);
    console.log("ready");`,
  );
  await ending(start(project, ["--install"]));
  const child = start(project, [path]);
  const ended = ending(child);
  await once(child.stdout, "data");
  child.kill("SIGINT");
  assert.is((await ended).code, 1);
});

test("a SIGTERM during the installation also ends npm", async ({ project }) => {
  program(project, "npm", `touch '${project}/bin/started'\nexec sleep 300`);
  const watcher = watch(join(project, "bin"));
  const child = start(project, ["--install"]);
  const ended = ending(child);
  while (!existsSync(join(project, "bin/started"))) await once(watcher, "change");
  watcher.close();
  child.kill("SIGTERM");
  assert.is((await ended).signal, "SIGTERM");
});

test("exits with 64 without a script, and when the script does not exist", async ({ project }) => {
  await ending(start(project, ["--install"]));
  assert.is((await ending(start(project, []))).code, 64);
  assert.is((await ending(start(project, ["nothing.ts"]))).code, 64);
});

test.run();
