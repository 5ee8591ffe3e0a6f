/** On the builder: from the stream to files, below a folder that mirrors the caller's disk. */
import { CbError } from "../../core/errors.ts";
import { canOwn } from "./owners.ts";
import { feed, gnuTar, startTar } from "./tar.ts";

export interface UnpackOptions {
  /** An empty folder: the caller's `/home/u/x` becomes `<root>/home/u/x`. */
  readonly root: string;
  /** As the caller gave it. Where this machine has no such id, all files belong to root. */
  readonly highestId: number;
  readonly signal?: AbortSignal;
}

/**
 * Resolves when all files are there. Rejects with CbError "infrastructure" and tar's words when they cannot be written, with what
 * `chunks` threw, or with what `signal` aborts with; what is there by then is no context.
 */
export async function unpackContext(chunks: AsyncIterable<Uint8Array>, options: UnpackOptions): Promise<void> {
  const { root, highestId, signal } = options;
  const program = await gnuTar();
  signal?.throwIfAborted();
  const owner = (await canOwn(highestId)) ? "--same-owner" : "--no-same-owner";
  const { child, ended } = startTar(program, [...ARGUMENTS, owner, `--directory=${root}`], signal);
  child.stdout.resume();
  try {
    await feed(child, chunks);
    const words = await ended;
    signal?.throwIfAborted();
    if (words !== "") throw failure(words);
  } finally {
    child.kill("SIGKILL");
    child.stdin.destroy();
    await ended;
  }
}

const ARGUMENTS = [
  "--extract",
  "--file=-",
  "--preserve-permissions",
  "--numeric-owner",
  // A folder may come again, after what is in it.
  "--delay-directory-restore",
  // There may be two archives, and the first one's end is not the end.
  "--ignore-zeros",
];

function failure(words: string): CbError {
  const hint = "the builder may have too little disk for it: send less, or ask for larger builders";
  return new CbError("infrastructure", `the context could not be unpacked: ${words}`, { hint });
}
