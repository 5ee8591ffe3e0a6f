/**
 * The plain entry: `node infra/tools/start.mjs <script.ts> [arguments]`, or `--install` to only install.
 *
 * It needs nothing but Node. It checks Node and npm, installs the packages of package-lock.json where they are missing
 * or stale, then runs the script through tsx in this very process. There is no parent that could lose a signal, an
 * exit code or a child: what happens to this process happens to the script.
 */
import { spawn, spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

/** As "engines" in package.json: the oldest Node that Debian 13 and the packages in use have in common. */
const OLDEST_NODE = [20, 18];
/** EX_CONFIG, EX_USAGE and EX_TEMPFAIL of sysexits(3), as in lib/core/exit-codes.ts, which this file cannot import. */
const EXIT = { usage: 64, infrastructure: 75, config: 78 };
/** A quiet minute looks like a hang; a line every ten seconds does not drown anything. */
const STILL_THERE_MS = 10_000;
/** npm passes on a Ctrl-C that the terminal has given us already; a person needs longer for a second one. */
const SAME_SIGNAL_MS = 300;

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
const say = (line) => process.stderr.write(`${line}\n`);

function giveUp(code, message, hint) {
  say(`error: ${message}${hint ? `\n  ${hint}` : ""}`);
  process.exit(code);
}

function checkNode() {
  const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
  const [needMajor, needMinor] = OLDEST_NODE;
  if (major > needMajor || (major === needMajor && minor >= needMinor)) return;
  giveUp(
    EXIT.config,
    `Node ${OLDEST_NODE.join(".")} or newer is needed, this is ${process.versions.node} (${process.execPath})`,
    "Install it from https://nodejs.org or with: sudo apt-get install -y nodejs npm (Debian 13)",
  );
}

/**
 * Why the packages must be installed, or undefined. npm writes node_modules/.package-lock.json last, so a broken
 * installation has none; what was installed is what it lists.
 */
function reasonToInstall() {
  const listing = join(root, "node_modules", ".package-lock.json");
  if (!existsSync(listing)) return "the packages are not installed yet";
  const wanted = JSON.parse(readFileSync(join(root, "package-lock.json"), "utf8")).packages;
  const present = JSON.parse(readFileSync(listing, "utf8")).packages;
  for (const [path, entry] of Object.entries(wanted)) {
    if (path === "" || (entry.optional && !present[path])) continue;
    const found = present[path];
    if (found?.version !== entry.version || found?.integrity !== entry.integrity) {
      return `package-lock.json has changed (${path.replace(/^.*node_modules\//, "")})`;
    }
  }
  return undefined;
}

/** Runs a command to its end, however this process is told to stop meanwhile, and keeps what it printed. */
function runToItsEnd(command, args) {
  return new Promise((done) => {
    let stoppedBy;
    const stop = (signal) => {
      stoppedBy ??= signal;
      if (child.pid !== undefined) process.kill(-child.pid, "SIGTERM");
    };
    // Before the start: the child may run before this line is left, and a signal in between would end us without it.
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, stop);
    const child = spawn(command, args, { cwd: root, stdio: ["ignore", "pipe", "pipe"], detached: true });
    let printed = "";
    const keep = (chunk) => {
      printed = (printed + chunk).slice(-64 * 1024);
    };
    child.stdout.on("data", keep);
    child.stderr.on("data", keep);
    child.on("error", (error) => done({ code: -1, missing: error.code === "ENOENT", printed: error.message }));
    child.on("close", (code) => {
      for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.off(signal, stop);
      // Nothing but the default action ends a process in the way its parent expects after a signal.
      if (stoppedBy) process.kill(process.pid, stoppedBy);
      else done({ code, missing: false, printed });
    });
  });
}

/** What the holder of the lock does: another process may have installed while this one waited. */
async function installHere() {
  if (!reasonToInstall()) return;
  const { code, missing, printed } = await runToItsEnd("npm", ["ci", "--no-audit", "--no-fund", "--loglevel=error"]);
  if (missing) {
    giveUp(EXIT.config, "npm is missing; it installs the packages this needs", "sudo apt-get install -y npm");
  }
  if (code === 0) return;
  say(printed.trimEnd());
  giveUp(EXIT.infrastructure, "npm ci failed, its output is above", `Mend the cause, then: cd ${root} && npm ci`);
}

/** Installs what is missing, once, however many processes ask for it at the same time. */
async function install() {
  const reason = reasonToInstall();
  if (!reason) return;
  const startedMs = Date.now();
  const seconds = () => ((Date.now() - startedMs) / 1000).toFixed(1);
  say(`Installing npm packages: ${reason}`);
  const stillThere = setInterval(() => say(`  still installing (${seconds()} s)`), STILL_THERE_MS);
  // flock(1) is in Debian's essential set and frees the lock whatever kills us. The lock file is one that npm leaves alone.
  const hasFlock = spawnSync("flock", ["--version"]).error === undefined;
  if (hasFlock) {
    const lock = join(root, "package-lock.json");
    const again = [lock, process.execPath, fileURLToPath(import.meta.url), "--install-under-lock"];
    const { code, printed } = await runToItsEnd("flock", again);
    clearInterval(stillThere);
    if (code !== 0) {
      say(printed.trimEnd());
      process.exit(code || EXIT.infrastructure);
    }
  } else {
    await installHere();
    clearInterval(stillThere);
  }
  say(`Installing npm packages: done in ${seconds()} s`);
}

/** Makes one signal of what arrives twice: on a terminal from the kernel, and once more from npm. */
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
  if (!existsSync(path)) giveUp(EXIT.usage, `there is no script ${path}`);
  const tsx = import.meta.resolve("tsx");
  // The script sees what `node --import tsx script` would show it, and so do the processes it forks.
  process.argv = [process.argv[0], path, ...process.argv.slice(3)];
  process.execArgv = ["--import", tsx, ...process.execArgv];
  mergeRepeatedSignals();
  await import(tsx);
  await import(pathToFileURL(path).href);
}

checkNode();
const what = process.argv[2];
if (what === undefined) giveUp(EXIT.usage, "usage: node infra/tools/start.mjs <script.ts> [arguments]");
else if (what === "--install") await install();
else if (what === "--install-under-lock") await installHere();
else {
  await install();
  await runScript(what);
}
