/** A caller's directory for tests of contexts: fills it, finds a context in it, and sends the context to a mirror. */
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { CbError } from "../../../lib/core/errors.ts";
import { type Context, type ContextOptions, findContext } from "../../../lib/recipe/context/find.ts";
import { packContext } from "../../../lib/recipe/context/pack.ts";
import { unpackContext } from "../../../lib/recipe/context/unpack.ts";
import type { RecipeInput } from "../../../lib/recipe/recipe-input.ts";

export class ContextTree {
  readonly top = mkdtempSync(join(tmpdir(), "cb-context-"));
  /** The caller's directory. Tests also put files around it, below `top`. */
  readonly directory = join(this.top, "home/project");
  readonly root = join(this.top, "root");

  constructor() {
    mkdirSync(this.directory, { recursive: true });
    mkdirSync(this.root);
  }

  remove(): void {
    rmSync(this.top, { recursive: true, force: true });
  }

  /** Writes a file. `path` is relative to the caller's directory; returns the absolute path. */
  file(path: string, content = path): string {
    const absolute = join(this.directory, path);
    mkdirSync(dirname(absolute), { recursive: true });
    writeFileSync(absolute, content);
    return absolute;
  }

  link(path: string, target: string): string {
    const absolute = join(this.directory, path);
    mkdirSync(dirname(absolute), { recursive: true });
    symlinkSync(target, absolute);
    return absolute;
  }

  find(...inputs: RecipeInput[]): Promise<Context | undefined> {
    return findContext({ directory: this.directory, backend: "singularity", whole: false, inputs });
  }

  /** The paths that would be sent, sorted: `.` stands for the caller's directory, `TOP` for `top`. */
  async paths(options: Partial<ContextOptions>): Promise<string[]> {
    const found = await this.found(options);
    const paths = found.parts.flatMap((part) => [...part.paths]);
    if (new Set(paths).size < paths.length) throw new Error(`a path is sent twice: ${paths}`);
    return paths.map((path) => path.replace(this.directory, ".").replace(this.top, "TOP")).sort();
  }

  async found(options: Partial<ContextOptions>): Promise<Context> {
    const all = { directory: this.directory, backend: "singularity", whole: false, inputs: [], ...options } as const;
    const found = await findContext(all);
    if (found === undefined) throw new Error("findContext() returned no context");
    return found;
  }

  async refused(options: Partial<ContextOptions>): Promise<CbError> {
    const error = await this.found(options).catch((thrown: unknown) => thrown);
    if (error instanceof CbError) return error;
    throw new Error(`not refused: ${String(error)}`);
  }

  /** Packs the context and unpacks it below `root`. Returns the length of the archive in bytes. */
  async send(context: Context): Promise<number> {
    let bytes = 0;
    const { highestId } = context;
    const counted = async function* (): AsyncGenerator<Uint8Array> {
      for await (const chunk of packContext(context)) {
        bytes += chunk.length;
        yield chunk;
      }
    };
    await unpackContext(counted(), { root: this.root, highestId });
    return bytes;
  }

  /** The path below `root` for a path of the caller. */
  mirrored(path: string): string {
    return join(this.root, path.startsWith("/") ? path : join(this.directory, path));
  }
}

/** The input of a line of %files; a pattern when it has `*`, `?` or `[`. */
export function fileInput(path: string): RecipeInput {
  return { path, pattern: /[*?[]/.test(path), links: "follow", where: "line 12: %files" };
}

export function copyInput(path: string): RecipeInput {
  return { ...fileInput(path), links: "keep", where: "line 3: COPY" };
}

/** Runs as user id 65534 when this process is root, because root can read every file. */
export async function asUnprivilegedUser(run: () => Promise<void>): Promise<void> {
  if (process.geteuid?.() !== 0) return run();
  process.seteuid?.(65534);
  try {
    await run();
  } finally {
    process.seteuid?.(0);
  }
}
