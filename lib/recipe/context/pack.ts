/** The archive of a context as a stream: made while it is taken, and never on the caller's disk. */
import { CbError } from "../../core/errors.ts";
import type { Collection } from "./collection.ts";
import type { Context } from "./find.ts";
import { feed, gnuTar, startTar } from "./tar.ts";

const ARGUMENTS = [
  "--create",
  "--file=-",
  "--directory=/",
  "--format=posix",
  // What nobody can set is not worth its bytes, and the names of the extra headers need no process id.
  "--pax-option=exthdr.name=%d/PaxHeaders/%f,delete=atime,delete=ctime",
  "--sparse",
  "--numeric-owner",
  "--no-recursion",
  "--null",
  "--no-unquote",
  "--files-from=-",
];

/**
 * Archives for `unpackContext`, one after the other. Throws CbError "usage" when a file changed, vanished or cannot be read
 * since it was found: what came before is then no context; or what `signal` aborts with. tar is gone at the end,
 * also when the taker stops early.
 */
export async function* packContext(
  context: Context,
  { signal }: { signal?: AbortSignal } = {},
): AsyncGenerator<Uint8Array> {
  const program = await gnuTar();
  for (const part of context.parts) yield* packPart(program, part, signal);
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
      if (bytes > part.maxArchiveBytes) throw changed("files became longer");
      yield chunk;
    }
    const words = await ended;
    signal?.throwIfAborted();
    if (words !== "") throw changed(words);
    await fed;
  } finally {
    child.kill("SIGKILL");
    child.stdin.destroy();
    child.stdout.destroy();
    await ended;
  }
}

function changed(words: string): CbError {
  return new CbError("usage", `the context could not be packed: ${words}`, {
    hint: "leave its files alone until they are sent, and try again; what is written meanwhile, as logs, belongs in .cbignore",
  });
}
