/** A local stack for one test file, in temporary folders. The bundled cb-local starts it. */
import { type ChildProcessByStdio, execFileSync, spawn } from "node:child_process";
import { closeSync, existsSync, mkdtempSync, openSync, readdirSync, readFileSync, rmSync, watch } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { Readable } from "node:stream";
import { fileURLToPath } from "node:url";
import { parse } from "yaml";
import { runningPid } from "../../infra/local/daemon.ts";
import { findNatsServer } from "../../infra/nats/server.ts";
import { PROCESS_POLL_MS } from "../../infra/tools/end-process.ts";
import { folders } from "../../lib/config/folders.ts";
import { systemClock } from "../../lib/core/clock.ts";
import { sendSignal } from "./send-signal.ts";

export const PROJECT = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

export interface Finished {
  readonly code: number | null;
  /** The signal that ended the process; null when it exited. */
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
  /** Standard output as bytes. */
  readonly bytes: Buffer;
}

export interface Running {
  readonly pid: number | undefined;
  /** Resolves with standard output and error together as soon as they match. Rejects when the process ends first. */
  seen(pattern: RegExp): Promise<string>;
  kill(signal: NodeJS.Signals): void;
  /** Closes the pipe of its standard output. */
  closeStdout(): void;
  readonly finished: Promise<Finished>;
}

export interface OnTerminal extends Running {
  resize(columns: number, rows: number): void;
}

export interface ProgramRunOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** Standard output is written to this file, as with `>` under a umask of 022; `stdout` is empty then. */
  readonly stdoutFile?: string;
  /** A module that Node loads before the program. */
  readonly preload?: URL;
}

export class Stack {
  /** A folder for the files of the test, removed at the end. */
  readonly folder: string;
  readonly #env: Record<string, string | undefined>;

  private constructor(folder: string) {
    this.folder = folder;
    const {
      NATS_URL: _url,
      NATS_CREDS: _creds,
      NATS_CA: _ca,
      NATS_SERVERNAME: _name,
      NATS_CONTEXT: _context,
      QUEUE_HOST: _host,
      ...env
    } = process.env;
    this.#env = {
      ...env,
      XDG_STATE_HOME: join(folder, "state"),
      XDG_CONFIG_HOME: join(folder, "config"),
      // All stacks share the root file system, because creating it takes a minute.
      XDG_CACHE_HOME: dirname(folders().cache),
    };
  }

  /** Creates the folders only. */
  static unstarted(): Stack {
    return new Stack(mkdtempSync(join(tmpdir(), "cb-stack-")));
  }

  /** Starts a stack. Resolves when its reserve is full. */
  static async start(provider: "sandbox" | "qemu" = "sandbox", registries?: readonly string[]): Promise<Stack> {
    const stack = Stack.unstarted();
    try {
      await stack.up(provider, registries);
      return stack;
    } catch (error) {
      await stack.stop();
      throw error;
    }
  }

  /** Starts the parts that do not run. Without `registries` it keeps no base images: no registry of the world is asked. */
  async up(provider = "sandbox", registries: readonly string[] = []): Promise<void> {
    const copies = registries.length === 0 ? ["--no-registry"] : ["--registry", ...registries];
    const { code, stderr } = await this.run("cb-local", ["up", "--provider", provider, ...copies]);
    if (code !== 0) throw new Error(`cb-local up ended with ${code}:\n${stderr}`);
  }

  /** Sends `signal` to the queue and resolves when its process has ended. Polls, because the queue is not our child. */
  async queueEnds(signal: NodeJS.Signals): Promise<void> {
    const pidFile = this.statePath("queue.pid");
    sendSignal("the queue", runningPid(pidFile), signal);
    while (runningPid(pidFile) !== undefined) await systemClock.sleep(PROCESS_POLL_MS);
  }

  async stop(): Promise<void> {
    const down = await this.run("cb-local", ["down"]);
    rmSync(this.folder, { recursive: true, force: true });
    if (down.code !== 0) throw new Error(`cb-local down ended with ${down.code}:\n${down.stderr}`);
  }

  path(...parts: readonly string[]): string {
    return join(this.folder, ...parts);
  }

  /** Does the same with nats-server as `queueEnds` with the queue. */
  async natsEnds(signal: NodeJS.Signals): Promise<void> {
    const dataDir = this.statePath("nats");
    const pid = (await findNatsServer(dataDir))?.pid;
    sendSignal("NATS", pid, signal);
    // A server that ends removes its ports file first, so findNatsServer() no longer shows it while its store is still open.
    const isRunning = (): boolean => existsSync(`/proc/${pid}`) && readFileSync(`/proc/${pid}/cmdline`).length > 0;
    while (isRunning()) await systemClock.sleep(PROCESS_POLL_MS);
  }

  /** Resolves when there is a file in that folder. */
  fileIn(folder: string): Promise<void> {
    return new Promise((resolve) => {
      const check = () => {
        if (readdirSync(this.path(folder)).length === 0) return;
        watcher.close();
        resolve();
      };
      const watcher = watch(this.path(folder), check);
      check();
    });
  }

  /** The path of a file of the local stack, e.g. of its installation. */
  statePath(...parts: readonly string[]): string {
    return this.path("state", "container-builder", "local", ...parts);
  }

  /** The settings of the stack's clients; `ca` is a path. */
  clientSettings(): { url: string; servername: string; ca: string } {
    return parse(readFileSync(this.statePath("client", "config.yaml"), "utf8"));
  }

  /** Runs a bundled program to its end. */
  run(program: string, args: readonly string[], options: ProgramRunOptions = {}): Promise<Finished> {
    return this.start(program, args, options).finished;
  }

  /** Starts a bundled program. */
  start(program: string, args: readonly string[], options: ProgramRunOptions = {}): Running {
    const preload = options.preload === undefined ? [] : ["--import", options.preload.href];
    return launch(process.execPath, [...preload, join(PROJECT, "dist", "bin", program), ...args], {
      cwd: options.cwd ?? this.folder,
      env: { ...this.#env, ...options.env },
      ...(options.stdoutFile === undefined ? {} : { stdoutFile: options.stdoutFile }),
    });
  }

  /** Starts a bundled program. The test itself reads the pipes, at its own speed. */
  spawn(
    program: string,
    args: readonly string[],
    options: ProgramRunOptions = {},
  ): ChildProcessByStdio<null, Readable, Readable> {
    return spawn(process.execPath, [join(PROJECT, "dist", "bin", program), ...args], {
      cwd: options.cwd ?? this.folder,
      env: { ...this.#env, ...options.env },
      stdio: ["ignore", "pipe", "pipe"],
    });
  }

  /** Runs a shell command in which `$@` calls a bundled program. */
  runInShell(command: string, program: string, args: readonly string[]): Promise<Finished> {
    const call = [process.execPath, join(PROJECT, "dist", "bin", program), ...args];
    return launch("sh", ["-c", command, "sh", ...call], { cwd: this.folder, env: this.#env }).finished;
  }

  /** Runs a bundled program on a terminal with 100 columns, created by script(1). `stdout` holds both outputs. */
  runOnTerminal(program: string, args: readonly string[]): Promise<Finished> {
    return this.startOnTerminal(program, args).finished;
  }

  /** The same, on a terminal with a `resize` function. A `program` with an absolute path is an installed one. */
  startOnTerminal(program: string, args: readonly string[], env: Record<string, string> = {}): OnTerminal {
    const started = program.startsWith("/") ? [program] : [process.execPath, join(PROJECT, "dist", "bin", program)];
    const quoted = [...started, ...args].map((argument) => `'${argument}'`);
    const device = this.path("tty");
    const command = `tty >'${device}'; stty cols 100 rows 30; exec ${quoted.join(" ")}`;
    const running = launch("script", ["-qefc", command, "/dev/null"], {
      cwd: this.folder,
      env: { ...this.#env, ...env },
    });
    const resize = (columns: number, rows: number) => {
      const size = ["cols", String(columns), "rows", String(rows)];
      execFileSync("stty", ["-F", readFileSync(device, "utf8").trim(), ...size]);
    };
    return { ...running, resize };
  }

  /** Runs a script of package.json, as a user does. */
  npm(script: string): Promise<Finished> {
    return launch("npm", ["run", "--silent", script], { cwd: PROJECT, env: this.#env }).finished;
  }
}

interface LaunchOptions {
  readonly cwd: string;
  readonly env: Record<string, string | undefined>;
  readonly stdoutFile?: string;
}

function launch(program: string, argv: readonly string[], options: LaunchOptions): Running {
  const { stdoutFile, ...rest } = options;
  const out = stdoutFile === undefined ? undefined : openSync(stdoutFile, "w", 0o644);
  const child = spawn(program, argv, { ...rest, stdio: ["ignore", out ?? "pipe", "pipe"] });
  if (out !== undefined) closeSync(out);
  const chunks: Buffer[] = [];
  let stderr = "";
  const watchers = new Set<() => void>();
  const text = () => Buffer.concat(chunks).toString("utf8") + stderr;
  const changed = () => {
    for (const watcher of [...watchers]) watcher();
  };
  child.stdout?.on("data", (chunk: Buffer) => {
    chunks.push(chunk);
    changed();
  });
  child.stderr?.on("data", (chunk: Buffer) => {
    stderr += chunk.toString("utf8");
    changed();
  });
  const finished = new Promise<Finished>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code, signal) => {
      const bytes = Buffer.concat(chunks);
      resolve({ code, signal, stdout: bytes.toString("utf8"), stderr, bytes });
    });
  });
  const seen = (pattern: RegExp) =>
    new Promise<string>((resolve, reject) => {
      const check = () => {
        const output = text();
        if (!pattern.test(output)) return;
        watchers.delete(check);
        resolve(output);
      };
      watchers.add(check);
      check();
      finished.then(() => reject(new Error(`ended without ${pattern}:\n${text()}`)), reject);
    });
  const { pid } = child;
  return {
    pid,
    seen,
    kill: (signal) => void child.kill(signal),
    closeStdout: () => void child.stdout?.destroy(),
    finished,
  };
}
