/** What a test of contexts needs: folders to fill, the way there and back, and what is there then. */
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
  /** The caller's directory; there is a world around it. */
  readonly directory = join(this.top, "home/project");
  readonly root = join(this.top, "root");

  constructor() {
    mkdirSync(this.directory, { recursive: true });
    mkdirSync(this.root);
  }

  remove(): void {
    rmSync(this.top, { recursive: true, force: true });
  }

  /** Relative to the caller's directory; returns the absolute path. */
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

  find(...wants: RecipeInput[]): Promise<Context | undefined> {
    return findContext({ directory: this.directory, backend: "singularity", whole: false, wants });
  }

  /** The paths that would be sent, from the directory on where they are in it, sorted. */
  async paths(options: Partial<ContextOptions>): Promise<string[]> {
    const found = await this.found(options);
    const paths = found.parts.flatMap((part) => [...part.paths]);
    if (new Set(paths).size < paths.length) throw new Error(`twice: ${paths}`);
    return paths.map((path) => path.replace(this.directory, ".").replace(this.top, "TOP")).sort();
  }

  async found(options: Partial<ContextOptions>): Promise<Context> {
    const all = { directory: this.directory, backend: "singularity", whole: false, wants: [], ...options } as const;
    const found = await findContext(all);
    if (found === undefined) throw new Error("nothing is wanted");
    return found;
  }

  async refused(options: Partial<ContextOptions>): Promise<CbError> {
    const error = await this.found(options).catch((thrown: unknown) => thrown);
    if (error instanceof CbError) return error;
    throw new Error(`not refused: ${String(error)}`);
  }

  /** There and back. Returns the length of the archive. */
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

  /** Where a path of the caller's is after it was sent. */
  mirrored(path: string): string {
    return join(this.root, path.startsWith("/") ? path : join(this.directory, path));
  }
}

/** What a line of %files wants; a pattern when it looks like one. */
export function fileWant(path: string): RecipeInput {
  return { path, pattern: /[*?[]/.test(path), links: "follow", where: "line 12: %files" };
}

export function copyWant(path: string): RecipeInput {
  return { ...fileWant(path), links: "keep", where: "line 3: COPY" };
}

/** Root reads everything; what cannot be read is seen as somebody else. */
export async function asNobody(run: () => Promise<void>): Promise<void> {
  if (process.geteuid?.() !== 0) return run();
  process.seteuid?.(65534);
  try {
    await run();
  } finally {
    process.seteuid?.(0);
  }
}
