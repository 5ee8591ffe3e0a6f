/** Unpacks a context on the builder into a folder that mirrors the caller's disk. */
import { readFile } from "node:fs/promises";
import { CbError } from "../../core/errors.ts";
import { feed, gnuTar, startTar } from "./tar.ts";

export interface UnpackOptions {
  /** An empty folder: the caller's `/home/u/x` becomes `<root>/home/u/x`. */
  readonly root: string;
  /**
   * The highest user or group id in the archive, from the caller. If this machine cannot assign that id, root owns all
   * files.
   */
  readonly highestId: number;
  readonly signal?: AbortSignal;
}

const ARGUMENTS = [
  "--extract",
  "--file=-",
  "--preserve-permissions",
  "--numeric-owner",
  // The archive may list a folder again after its content.
  "--delay-directory-restore",
  // The stream may hold two archives, so the end of the first one is not the end of the stream.
  "--ignore-zeros",
];

/**
 * Resolves when all files are written. Rejects with CbError "infrastructure" and tar's message when they cannot be
 * written, with the error of `chunks`, or with the reason of `signal`. After a rejection the files in `root` are
 * incomplete.
 */
export async function unpackContext(chunks: AsyncIterable<Uint8Array>, options: UnpackOptions): Promise<void> {
  const { root, highestId, signal } = options;
  const program = await gnuTar();
  signal?.throwIfAborted();
  const owner = (await canAssignIds(highestId)) ? "--same-owner" : "--no-same-owner";
  const { child, ended } = startTar(program, [...ARGUMENTS, owner, `--directory=${root}`], signal);
  child.stdout.resume();
  try {
    await feed(child, chunks);
    const message = await ended;
    signal?.throwIfAborted();
    if (message !== "") throw unpackFailure(message);
  } finally {
    child.kill("SIGKILL");
    child.stdin.destroy();
    await ended;
  }
}

function unpackFailure(message: string): CbError {
  const hint = "if the builder's disk is full, send fewer files or ask an operator for larger builders";
  return new CbError("infrastructure", `the context could not be unpacked: ${message}`, { hint });
}

/**
 * True when this process can assign every id from 0 to `highestId`: in a user namespace only mapped ids can own files.
 */
async function canAssignIds(highestId: number): Promise<boolean> {
  const maps = await Promise.all(["/proc/self/uid_map", "/proc/self/gid_map"].map((path) => readFile(path, "utf8")));
  return maps.every((map) => coversIds(map, highestId));
}

/** True when the map covers every id from 0 to `highestId`. `map`: a uid_map or gid_map (user_namespaces(7)). */
export function coversIds(map: string, highestId: number): boolean {
  const ranges = map
    .trim()
    .split("\n")
    .map((line) => line.trim().split(/\s+/).map(Number))
    .map(([start = 0, , count = 0]) => ({ start, end: start + count }))
    .sort((a, b) => a.start - b.start);
  let covered = 0;
  for (const { start, end } of ranges) if (start <= covered) covered = Math.max(covered, end);
  return covered > highestId;
}
