/**
 * Packs a context into an archive stream. tar runs while the stream is read, and the archive is never on the caller's
 * disk.
 */
import { CbError } from "../../core/errors.ts";
import type { Collection } from "./collection.ts";
import { contextStamp } from "./digest.ts";
import type { Context } from "./find.ts";
import { feed, gnuTar, startTar } from "./tar.ts";

const ARGUMENTS = [
  "--create",
  "--file=-",
  "--directory=/",
  "--format=posix",
  // Access and change times cannot be restored, so they are left out; the names of extra headers do without a process
  // id.
  "--pax-option=exthdr.name=%d/PaxHeaders/%f,delete=atime,delete=ctime",
  "--sparse",
  "--numeric-owner",
  "--no-recursion",
  "--null",
  "--no-unquote",
  "--files-from=-",
];

export interface PackOptions {
  readonly signal?: AbortSignal | undefined;
  /** Of the files as they were when their digest was made: they must not have changed since. Default: that is not checked. */
  readonly stamp?: string | undefined;
}

/**
 * Yields the archives for unpackContext(), one after the other. Throws CbError "usage" when a file has changed, has
 * been deleted or cannot be read since findContext() listed it; the chunks before that are then useless. Throws the
 * reason of `signal` when it is aborted. tar has exited when the generator ends, also when the reader stops early.
 */
export async function* packContext(context: Context, { signal, stamp }: PackOptions = {}): AsyncGenerator<Uint8Array> {
  const program = await gnuTar();
  for (const part of context.parts) yield* packPart(program, part, signal);
  if (stamp !== undefined && stamp !== (await contextStamp(context, signal))) throw packFailure("a file has changed");
}

async function* packPart(program: string, part: Collection, signal?: AbortSignal): AsyncGenerator<Uint8Array> {
  signal?.throwIfAborted();
  const links = part.as === "followed" ? ["--dereference"] : [];
  const { child, ended } = startTar(program, [...ARGUMENTS, ...links], signal);
  let bytes = 0;
  try {
    const fed = feed(child, part.paths.tarNames());
    for await (const chunk of child.stdout as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      if (bytes > part.maxArchiveBytes) throw packFailure("files became longer");
      yield chunk;
    }
    const message = await ended;
    signal?.throwIfAborted();
    if (message !== "") throw packFailure(message);
    await fed;
  } finally {
    child.kill("SIGKILL");
    child.stdin.destroy();
    child.stdout.destroy();
    await ended;
  }
}

function packFailure(message: string): CbError {
  return new CbError("usage", `the context could not be packed: ${message}`, {
    hint: "do not change its files until they are sent, and try again; list files that other programs write, as logs, in .cbignore",
  });
}
