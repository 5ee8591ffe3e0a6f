/**
 * Paths on a Unix disk, which are bytes. Here a path is a string with one character per byte (latin1), so that text
 * functions and maps work on it, and a name that is not valid UTF-8 survives unchanged.
 */
import { posix } from "node:path";
import { encodeRecipe } from "../recipe-text.ts";

/** Absolute, without `.`, `..` or a trailing slash. */
export type BytePath = string;

/** From the text of a recipe or of an option. A byte of a recipe that is not UTF-8 is itself again. */
export const fromText = (text: string): BytePath => encodeRecipe(text).toString("latin1");

/** For node:fs, which reads a string as UTF-8. */
export const toBytes = (path: BytePath): Buffer => Buffer.from(path, "latin1");

/** For messages, and for patterns that count characters. Bytes that are not UTF-8 become U+FFFD. */
export const toText = (path: BytePath): string =>
  /[\x80-\xff]/.test(path) ? Buffer.from(path, "latin1").toString("utf8") : path;

export const childPath = (folder: BytePath, name: string): BytePath =>
  folder === "/" ? `/${name}` : `${folder}/${name}`;

/** True when `path` is `folder` or below it. */
export const isWithin = (folder: BytePath, path: BytePath): boolean =>
  folder === "/" || path === folder || path.startsWith(`${folder}/`);

/** The folders above `path` and below `folder`, top-down. Empty when `path` is not below `folder`. */
export function foldersBetween(folder: BytePath, path: BytePath): BytePath[] {
  const between: BytePath[] = [];
  if (!isWithin(folder, path)) return between;
  for (let above = posix.dirname(path); above.length > folder.length; above = posix.dirname(above)) between.push(above);
  return between.reverse();
}

const PAGE_BYTES = 64 * 1024;
/**
 * Two numbers of two bytes before each entry: length of the shared prefix, length of the rest. PATH_MAX is 4096
 * (limits.h).
 */
const HEAD_BYTES = 4;

/**
 * A compact list of paths. Each entry stores only its difference from the entry before, which is little more than the
 * last name when a walk adds the paths. A million paths of 100 bytes take about 20 MB.
 */
export class PathList {
  readonly #pages: Buffer[] = [];
  #used = PAGE_BYTES;
  #last: BytePath = "";
  length = 0;

  /** Throws RangeError for a path that does not fit into a page of 64 KiB. */
  add(path: BytePath): void {
    let shared = 0;
    if (this.#used + HEAD_BYTES + path.length > PAGE_BYTES) this.#newPage(path);
    else shared = sharedPrefixLength(this.#last, path);
    const page = this.#pages[this.#pages.length - 1] as Buffer;
    page.writeUInt16LE(shared, this.#used);
    page.writeUInt16LE(path.length - shared, this.#used + 2);
    page.write(path.slice(shared), this.#used + HEAD_BYTES, "latin1");
    this.#used += HEAD_BYTES + path.length - shared;
    this.#last = path;
    this.length += 1;
  }

  #newPage(path: BytePath): void {
    if (HEAD_BYTES + path.length > PAGE_BYTES) throw new RangeError(`a path of ${path.length} bytes is too long`);
    this.#pages.push(Buffer.alloc(PAGE_BYTES));
    this.#used = 0;
  }

  /** The paths in the order of the calls of add(). */
  *[Symbol.iterator](): Generator<BytePath> {
    let path = "";
    let left = this.length;
    for (const page of this.#pages) {
      let at = 0;
      while (left > 0 && at + HEAD_BYTES <= PAGE_BYTES) {
        const shared = page.readUInt16LE(at);
        const length = page.readUInt16LE(at + 2);
        // No path is empty, so two zeros mark the end of the page.
        if (shared + length === 0) break;
        path = path.slice(0, shared) + page.toString("latin1", at + HEAD_BYTES, at + HEAD_BYTES + length);
        at += HEAD_BYTES + length;
        left -= 1;
        yield path;
      }
    }
  }

  /** Input for `tar --null --files-from`: relative to the root, so that no name begins with a dash. */
  *tarNames(): Generator<Buffer> {
    let batch = "";
    for (const path of this) {
      batch += path === "/" ? "./\0" : `.${path}\0`;
      if (batch.length < PAGE_BYTES / 2) continue;
      yield toBytes(batch);
      batch = "";
    }
    if (batch !== "") yield toBytes(batch);
  }
}

function sharedPrefixLength(a: string, b: string): number {
  const most = Math.min(a.length, b.length);
  let at = 0;
  while (at < most && a.charCodeAt(at) === b.charCodeAt(at)) at++;
  return at;
}
