/** A local stack of its own for a test file: brought up by cb-local as a user would, in temporary folders. */
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { folders } from "../../lib/config/folders.ts";

export const PROJECT = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

export interface Finished {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
  /** Standard output as bytes. */
  readonly bytes: Buffer;
}

export interface Running {
  /** Resolves at the first moment at which standard output and error together match; rejects if it ends before. */
  seen(pattern: RegExp): Promise<void>;
  kill(signal: NodeJS.Signals): void;
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

  /** Up, with a full reserve. */
  static async start(): Promise<Stack> {
    const stack = new Stack(mkdtempSync(join(tmpdir(), "cb-stack-")));
    const up = await stack.#script("cb-local", ["up"]);
    if (up.code === 0) return stack;
    await stack.stop();
    throw new Error(`cb-local up ended with ${up.code}:\n${up.stderr}`);
  }

  async stop(): Promise<void> {
    const down = await this.#script("cb-local", ["down"]);
    rmSync(this.folder, { recursive: true, force: true });
    if (down.code !== 0) throw new Error(`cb-local down ended with ${down.code}:\n${down.stderr}`);
  }

  path(...parts: readonly string[]): string {
    return join(this.folder, ...parts);
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
    return launch([join(PROJECT, "dist", "bin", program), ...args], {
      cwd: options.cwd ?? this.folder,
      env: { ...this.#env, ...options.env },
    });
  }

  /** From the sources: what brings the stack up also bundles the programs. */
  #script(name: string, args: readonly string[]): Promise<Finished> {
    const argv = ["--import", import.meta.resolve("tsx"), join(PROJECT, "cmd", `${name}.ts`), ...args];
    return launch(argv, { cwd: PROJECT, env: this.#env }).finished;
  }
}

interface LaunchOptions {
  readonly cwd: string;
  readonly env: Record<string, string | undefined>;
}

function launch(argv: readonly string[], options: LaunchOptions): Running {
  const child = spawn(process.execPath, argv, { ...options, stdio: ["ignore", "pipe", "pipe"] });
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
  return { seen, kill: (signal) => void child.kill(signal), finished };
}
