/**
 * Runs a TypeScript script in a checkout without installed packages: `node infra/tools/start.mjs <script.ts> [arguments]`. With
 * `--install` it installs the packages only.
 *
 * It needs only Node. It checks the version of Node, installs the packages of package-lock.json when they are missing or stale,
 * and then runs the script through tsx in this process. No parent process stands between the caller and the script, so no signal
 * or exit code is lost.
 */
import { spawn, spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

/** The same as "engines" in package.json. Debian 13 has Node 20.19, and the packages need no newer one. */
const OLDEST_NODE = [20, 19];
/** EX_CONFIG, EX_USAGE and EX_TEMPFAIL of sysexits(3), as in lib/core/exit-codes.ts, which this file cannot import. */
const EXIT = { usage: 64, infrastructure: 75, config: 78 };
/** A minute without output looks like a hang, and a line every 10 s hides no other output. */
const PROGRESS_MS = 10_000;
/** On a Ctrl-C the terminal and npm each send SIGINT, within a few ms. A person who presses it twice takes longer than this. */
const SAME_SIGNAL_MS = 300;

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const print = (line) => process.stderr.write(`${line}\n`);

function exitWith(code, message, hint) {
  print(`error: ${message}${hint ? `\n  ${hint}` : ""}`);
  process.exit(code);
}

function checkNode() {
  const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
  const [needMajor, needMinor] = OLDEST_NODE;
  if (major > needMajor || (major === needMajor && minor >= needMinor)) return;
  exitWith(
    EXIT.config,
    `Node ${OLDEST_NODE.join(".")} or newer is needed, this is ${process.versions.node} (${process.execPath})`,
    "Install it from https://nodejs.org or with: sudo apt-get install -y nodejs npm (Debian 13)",
  );
}

/**
 * Returns the reason to install the packages, or undefined. npm writes node_modules/.package-lock.json last and lists the installed
 * packages in it, so an interrupted installation has no such file.
 */
function reasonToInstall() {
  const listing = join(root, "node_modules", ".package-lock.json");
  if (!existsSync(listing)) return "the packages are not installed yet";
  const required = JSON.parse(readFileSync(join(root, "package-lock.json"), "utf8")).packages;
  const installed = JSON.parse(readFileSync(listing, "utf8")).packages;
  for (const [path, entry] of Object.entries(required)) {
    if (path === "" || (entry.optional && !installed[path])) continue;
    const found = installed[path];
    if (found?.version !== entry.version || found?.integrity !== entry.integrity) {
      return `package-lock.json has changed (${path.replace(/^.*node_modules\//, "")})`;
    }
  }
  return undefined;
}

/**
 * Runs a command and returns its exit code and the end of its output. A signal to this process is passed on as SIGTERM, and ends
 * this process after the command has ended.
 */
function runToItsEnd(command, args) {
  return new Promise((done) => {
    let stoppedBy;
    const stop = (signal) => {
      stoppedBy ??= signal;
      if (child.pid !== undefined) process.kill(-child.pid, "SIGTERM");
    };
    // Before spawn(): a signal between the two would end this process and leave the child running.
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, stop);
    const child = spawn(command, args, { cwd: root, stdio: ["ignore", "pipe", "pipe"], detached: true });
    let printed = "";
    const append = (chunk) => {
      printed = (printed + chunk).slice(-64 * 1024);
    };
    child.stdout.on("data", append);
    child.stderr.on("data", append);
    child.on("error", (error) => done({ code: -1, missing: error.code === "ENOENT", printed: error.message }));
    child.on("close", (code) => {
      for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.off(signal, stop);
      // Only the default action of the signal gives the parent the exit status that it expects.
      if (stoppedBy) process.kill(process.pid, stoppedBy);
      else done({ code, missing: false, printed });
    });
  });
}

/** Installs while holding the lock. Another process may have installed while this one waited for the lock. */
async function installHere() {
  if (!reasonToInstall()) return;
  const { code, missing, printed } = await runToItsEnd("npm", ["ci", "--no-audit", "--no-fund", "--loglevel=error"]);
  if (missing) {
    exitWith(EXIT.config, "npm is missing; it installs the packages of this project", "sudo apt-get install -y npm");
  }
  if (code === 0) return;
  print(printed.trimEnd());
  exitWith(EXIT.infrastructure, "npm ci failed, its output is above", `Fix the cause, then: cd ${root} && npm ci`);
}

/** Installs the packages if needed. Of several processes that call this at the same time one installs, and the others wait. */
async function install() {
  const reason = reasonToInstall();
  if (!reason) return;
  const startedMs = Date.now();
  const seconds = () => ((Date.now() - startedMs) / 1000).toFixed(1);
  print(`Installing npm packages: ${reason}`);
  const progress = setInterval(() => print(`  still installing (${seconds()} s)`), PROGRESS_MS);
  // Every Debian has flock(1), and the kernel frees its lock when the process ends. npm ci does not replace package-lock.json.
  const hasFlock = spawnSync("flock", ["--version"]).error === undefined;
  if (hasFlock) {
    const lock = join(root, "package-lock.json");
    const command = [lock, process.execPath, fileURLToPath(import.meta.url), "--install-under-lock"];
    const { code, printed } = await runToItsEnd("flock", command);
    clearInterval(progress);
    if (code !== 0) {
      print(printed.trimEnd());
      process.exit(code || EXIT.infrastructure);
    }
  } else {
    await installHere();
    clearInterval(progress);
  }
  print(`Installing npm packages: done in ${seconds()} s`);
}

/** Drops a signal that repeats within SAME_SIGNAL_MS: a Ctrl-C arrives once from the terminal and once from npm. */
function mergeRepeatedSignals() {
  const emit = process.emit;
  const lastMs = new Map();
  process.emit = function merged(name, ...rest) {
    if (name === "SIGINT" || name === "SIGTERM") {
      const nowMs = performance.now();
      if (nowMs - (lastMs.get(name) ?? Number.NEGATIVE_INFINITY) < SAME_SIGNAL_MS) return true;
      lastMs.set(name, nowMs);
    }
    return emit.call(this, name, ...rest);
  };
}

async function runScript(script) {
  const path = resolve(script);
  if (!existsSync(path)) exitWith(EXIT.usage, `there is no script ${path}`);
  const tsx = import.meta.resolve("tsx");
  // The script and the processes that it forks see the same arguments as with `node --import tsx script`.
  process.argv = [process.argv[0], path, ...process.argv.slice(3)];
  process.execArgv = ["--import", tsx, ...process.execArgv];
  mergeRepeatedSignals();
  await import(tsx);
  await import(pathToFileURL(path).href);
}

checkNode();
const request = process.argv[2];
if (request === undefined) exitWith(EXIT.usage, "usage: node infra/tools/start.mjs <script.ts> [arguments]");
else if (request === "--install") await install();
else if (request === "--install-under-lock") await installHere();
else {
  await install();
  await runScript(request);
}
