/** Reads metadata and links on the caller's disk. A file that cannot be read becomes an error that names it. */
import {
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  openSync,
  readlinkSync,
  readSync,
  realpathSync,
  type Stats,
  statSync,
} from "node:fs";
import { posix } from "node:path";
import { CbError, codeOf, messageOf } from "../../core/errors.ts";
import { readFailure } from "../../core/read-failure.ts";
import { type BytePath, childPath, toBytes, toText } from "./byte-path.ts";

/**
 * Metadata of the entry itself: a link is not followed. Undefined when nothing exists. Throws CbError "usage" when the
 * path cannot be read.
 */
export const lstatOf = (path: BytePath): Stats | undefined =>
  orUndefined(path, () => lstatSync(toBytes(path), { throwIfNoEntry: false }));

/** Metadata of the target after following links. Undefined when there is none. Throws as lstatOf(). */
export const statOf = (path: BytePath): Stats | undefined =>
  orUndefined(path, () => statSync(toBytes(path), { throwIfNoEntry: false }));

/** The path with all links resolved. Undefined when the target does not exist. Throws as lstatOf(). */
export const realPath = (path: BytePath): BytePath | undefined =>
  orUndefined(path, () => realpathSync.native(toBytes(path), "latin1" as "utf8"));

/** The text of a symbolic link; "" when the path has just been deleted. Throws as lstatOf(). */
export const linkTarget = (path: BytePath): string =>
  orUndefined(path, () => readlinkSync(toBytes(path), "latin1" as "utf8")) ?? "";

/** Throws CbError "usage" when a file or folder cannot be opened for reading, because tar would fail on it halfway. */
export function checkReadable(path: BytePath): void {
  orUnreadable(path, () => openForReading(path));
}

export function isReadable(path: BytePath): boolean {
  try {
    openForReading(path);
    return true;
  } catch {
    return false;
  }
}

/**
 * Opens and closes the file. access(2) is no substitute: it checks the real user id, while tar runs with the effective
 * one, and it does not ask a file server that refuses only when the file is opened.
 */
function openForReading(path: BytePath): void {
  closeSync(openSync(toBytes(path), constants.O_RDONLY | constants.O_NONBLOCK));
}

/**
 * The content of a regular file, or `maxBytes` + 1 bytes when it is longer. Undefined when it does not exist. Throws as
 * lstatOf(), for a loop of links, and for anything but a regular file: reading a pipe could last for ever.
 */
export const readSmallFile = (path: BytePath, maxBytes: number): Buffer | undefined => {
  const read = () => {
    const file = openSync(toBytes(path), constants.O_RDONLY | constants.O_NONBLOCK);
    try {
      if (!fstatSync(file).isFile()) {
        throw new CbError("usage", `${toText(path)} is no regular file`, {
          hint: "replace it by a file, or remove it",
        });
      }
      const buffer = Buffer.alloc(maxBytes + 1);
      let length = 0;
      for (let read = -1; read !== 0 && length < buffer.length; length += read) {
        read = readSync(file, buffer, length, buffer.length - length, null);
      }
      return buffer.subarray(0, length);
    } finally {
      closeSync(file);
    }
  };
  // A loop of links in the place of an ignore file is no reason to send the files that it excludes.
  return orUndefined(path, read, ABSENT_CODES);
};

/** Error codes that mean "does not exist": no such name, a file where a folder is needed. */
const ABSENT_CODES = ["ENOENT", "ENOTDIR"];

function orUndefined<T>(path: BytePath, read: () => T, absent = [...ABSENT_CODES, "ELOOP"]): T | undefined {
  try {
    return read();
  } catch (error) {
    if (absent.includes(codeOf(error))) return undefined;
    if (error instanceof CbError) throw error;
    throw unreadable(path, error);
  }
}

/** The result of `read`. Throws CbError of the kind and with the hint for the error code, which names `path` when `read` throws. */
export function orUnreadable<T>(path: BytePath, read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw unreadable(path, error);
  }
}

function unreadable(path: BytePath, cause: unknown): CbError {
  const code = codeOf(cause) || messageOf(cause);
  const { kind, hint } = readFailure(code);
  return new CbError(kind, `cannot read ${toText(path)} (${code})`, { hint, cause });
}

/** As many links as the kernel follows before it fails with ELOOP (path_resolution(7)). */
const LINKS_MAX = 40;

export interface Resolved {
  readonly kind: "found" | "outside" | "missing";
  /**
   * The target (`found`), the last link before leaving the directory (`outside`), or the first missing path
   * (`missing`).
   */
  readonly at: BytePath;
  /** The links that were followed, in order. */
  readonly links: readonly BytePath[];
}

/**
 * Resolves a path as buildah does for COPY: the directory is the root, also for absolute links. `parts`: the names from
 * the directory on. `..` above the directory leads outside. Throws as lstatOf().
 */
export function resolveWithin(directory: BytePath, parts: readonly string[]): Resolved {
  const links: BytePath[] = [];
  const waiting = [...parts].reverse();
  let path = directory;
  for (let part = waiting.pop(); part !== undefined; part = waiting.pop()) {
    if (part === "" || part === ".") continue;
    if (part === ".." && path === directory) return { kind: "outside", at: links.at(-1) ?? directory, links };
    const next = part === ".." ? posix.dirname(path) : childPath(path, part);
    const stat = lstatOf(next);
    if (stat === undefined || links.length > LINKS_MAX) return { kind: "missing", at: next, links };
    if (!stat.isSymbolicLink()) {
      path = next;
      continue;
    }
    links.push(next);
    const target = linkTarget(next);
    if (target.startsWith("/")) path = directory;
    waiting.push(...target.split("/").reverse());
  }
  return { kind: "found", at: path, links };
}
