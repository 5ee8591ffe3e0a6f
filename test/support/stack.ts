/** A local stack of its own for a test file: brought up by cb-local as a user would, in temporary folders. */
import { type ChildProcessByStdio, spawn } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync, watch } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { Readable } from "node:stream";
import { fileURLToPath } from "node:url";
import { runningPid } from "../../infra/local/daemon.ts";
import { findNatsServer } from "../../infra/nats/server.ts";
import { systemClock } from "../../lib/clock.ts";
import { folders } from "../../lib/config/folders.ts";

export const PROJECT = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

/** Nobody sends an event for the end of a process that is not a child. */
const POLL_MS = 20;

export interface Finished {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
  /** Standard output as bytes. */
  readonly bytes: Buffer;
}

export interface Running {
  readonly pid: number | undefined;
  /** Resolves at the first moment at which standard output and error together match; rejects if it ends before. */
  seen(pattern: RegExp): Promise<void>;
  kill(signal: NodeJS.Signals): void;
  /** Reads no more of its standard output. */
  closeStdout(): void;
  readonly finished: Promise<Finished>;
}

export interface RunOptions {
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
}

export class Stack {
  /** A folder for the test's own files, removed at the end. */
  readonly folder: string;
  readonly #env: Record<string, string | undefined>;

  private constructor(folder: string) {
    this.folder = folder;
    const { NATS_URL: _url, NATS_CREDS: _creds, QUEUE_HOST: _host, ...env } = process.env;
    this.#env = {
      ...env,
      XDG_STATE_HOME: join(folder, "state"),
      XDG_CONFIG_HOME: join(folder, "config"),
      // The root file system takes a minute to make, so all stacks share it.
      XDG_CACHE_HOME: dirname(folders().cache),
    };
  }

  /** Folders, and nothing in them. */
  static unstarted(): Stack {
    return new Stack(mkdtempSync(join(tmpdir(), "cb-stack-")));
  }

  /** Up, with a full reserve. */
  static async start(): Promise<Stack> {
    const stack = Stack.unstarted();
    try {
      await stack.up();
      return stack;
    } catch (error) {
      await stack.stop();
      throw error;
    }
  }

  /** Brings up what is down. */
  async up(): Promise<void> {
    const { code, stderr } = await this.#script("cb-local", ["up"]);
    if (code !== 0) throw new Error(`cb-local up ended with ${code}:\n${stderr}`);
  }

  /** Ends the queue, which is not our child: its pid file is looked at until the process is gone. */
  async queueEnds(signal: NodeJS.Signals): Promise<void> {
    const pidFile = this.statePath("queue.pid");
    process.kill(runningPid(pidFile) ?? 0, signal);
    while (runningPid(pidFile) !== undefined) await systemClock.sleep(POLL_MS);
  }

  async stop(): Promise<void> {
    const down = await this.#script("cb-local", ["down"]);
    rmSync(this.folder, { recursive: true, force: true });
    if (down.code !== 0) throw new Error(`cb-local down ended with ${down.code}:\n${down.stderr}`);
  }

  path(...parts: readonly string[]): string {
    return join(this.folder, ...parts);
  }

  /** Ends NATS, as `queueEnds` ends the queue. */
  async natsEnds(signal: NodeJS.Signals): Promise<void> {
    const dataDir = this.statePath("nats");
    process.kill((await findNatsServer(dataDir))?.pid ?? 0, signal);
    while ((await findNatsServer(dataDir)) !== undefined) await systemClock.sleep(POLL_MS);
  }

  /** Resolves when there is a file in that folder. */
  fileIn(folder: string): Promise<void> {
    return new Promise((resolve) => {
      const look = () => {
        if (readdirSync(this.path(folder)).length === 0) return;
        watcher.close();
        resolve();
      };
      const watcher = watch(this.path(folder), look);
      look();
    });
  }

  /** A file of the local stack's own, e.g. its installation. */
  statePath(...parts: readonly string[]): string {
    return this.path("state", "container-builder", "local", ...parts);
  }

  /** Runs a shipped program to its end. */
  run(program: string, args: readonly string[], options: RunOptions = {}): Promise<Finished> {
    return this.start(program, args, options).finished;
  }

  /** Starts a shipped program. */
  start(program: string, args: readonly string[], options: RunOptions = {}): Running {
    return launch(process.execPath, [join(PROJECT, "dist", "bin", program), ...args], {
      cwd: options.cwd ?? this.folder,
      env: { ...this.#env, ...options.env },
    });
  }

  /** Starts a shipped program whose outputs the test takes itself, as fast as it likes. */
  spawn(
    program: string,
    args: readonly string[],
    options: RunOptions = {},
  ): ChildProcessByStdio<null, Readable, Readable> {
    return spawn(process.execPath, [join(PROJECT, "dist", "bin", program), ...args], {
      cwd: options.cwd ?? this.folder,
      env: { ...this.#env, ...options.env },
      stdio: ["ignore", "pipe", "pipe"],
    });
  }

  /** Runs a shell's command in which `$@` is the call of a shipped program. */
  runInShell(command: string, program: string, args: readonly string[]): Promise<Finished> {
    const call = [process.execPath, join(PROJECT, "dist", "bin", program), ...args];
    return launch("sh", ["-c", command, "sh", ...call], { cwd: this.folder, env: this.#env }).finished;
  }

  /** Runs a shipped program on a terminal of 100 columns, which script(1) holds; both outputs are in `stdout`. */
  runOnTerminal(program: string, args: readonly string[]): Promise<Finished> {
    const words = [process.execPath, join(PROJECT, "dist", "bin", program), ...args].map((word) => `'${word}'`);
    const command = `stty cols 100 rows 30; exec ${words.join(" ")}`;
    return launch("script", ["-qefc", command, "/dev/null"], { cwd: this.folder, env: this.#env }).finished;
  }

  /** A script of package.json, as a user calls it. */
  npm(script: string): Promise<Finished> {
    return launch("npm", ["run", "--silent", script], { cwd: PROJECT, env: this.#env }).finished;
  }

  /** From the sources: what brings the stack up also bundles the programs. */
  #script(name: string, args: readonly string[]): Promise<Finished> {
    const argv = ["--import", import.meta.resolve("tsx"), join(PROJECT, "cmd", `${name}.ts`), ...args];
    return launch(process.execPath, argv, { cwd: PROJECT, env: this.#env }).finished;
  }
}

interface LaunchOptions {
  readonly cwd: string;
  readonly env: Record<string, string | undefined>;
}

function launch(program: string, argv: readonly string[], options: LaunchOptions): Running {
  const child = spawn(program, argv, { ...options, stdio: ["ignore", "pipe", "pipe"] });
  const chunks: Buffer[] = [];
  let stderr = "";
  const watchers = new Set<() => void>();
  const text = () => Buffer.concat(chunks).toString("utf8") + stderr;
  const changed = () => {
    for (const watcher of [...watchers]) watcher();
  };
  child.stdout.on("data", (chunk: Buffer) => {
    chunks.push(chunk);
    changed();
  });
  child.stderr.on("data", (chunk: Buffer) => {
    stderr += chunk.toString("utf8");
    changed();
  });
  const finished = new Promise<Finished>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code) => {
      const bytes = Buffer.concat(chunks);
      resolve({ code, stdout: bytes.toString("utf8"), stderr, bytes });
    });
  });
  const seen = (pattern: RegExp) =>
    new Promise<void>((resolve, reject) => {
      const look = () => {
        if (!pattern.test(text())) return;
        watchers.delete(look);
        resolve();
      };
      watchers.add(look);
      look();
      finished.then(() => reject(new Error(`ended without ${pattern}:\n${text()}`)), reject);
    });
  const { pid } = child;
  return {
    pid,
    seen,
    kill: (signal) => void child.kill(signal),
    closeStdout: () => void child.stdout.destroy(),
    finished,
  };
}
