/**
 * A long list of paths in little memory: each is kept as what differs from the one before, which in the order of a walk is
 * hardly more than its last name. A million paths of a hundred bytes take some 20 MB.
 */
import { type BytePath, toBytes } from "./byte-path.ts";

const PAGE_BYTES = 64 * 1024;
/** Two numbers of two bytes: how much is shared, and how much follows. PATH_MAX is 4096. */
const HEAD_BYTES = 4;

export class PathList {
  readonly #pages: Buffer[] = [];
  #used = PAGE_BYTES;
  #last: BytePath = "";
  length = 0;

  add(path: BytePath): void {
    let shared = 0;
    if (this.#used + HEAD_BYTES + path.length > PAGE_BYTES) this.#newPage(path);
    else shared = sharedStart(this.#last, path);
    const page = this.#pages[this.#pages.length - 1] as Buffer;
    page.writeUInt16LE(shared, this.#used);
    page.writeUInt16LE(path.length - shared, this.#used + 2);
    page.write(path.slice(shared), this.#used + HEAD_BYTES, "latin1");
    this.#used += HEAD_BYTES + path.length - shared;
    this.#last = path;
    this.length += 1;
  }

  #newPage(path: BytePath): void {
    if (HEAD_BYTES + path.length > PAGE_BYTES) throw new RangeError(`a path of ${path.length} bytes`);
    this.#pages.push(Buffer.alloc(PAGE_BYTES));
    this.#used = 0;
  }

  /** In the order in which they were added. */
  *[Symbol.iterator](): Generator<BytePath> {
    let path = "";
    let left = this.length;
    for (const page of this.#pages) {
      let at = 0;
      while (left > 0 && at + HEAD_BYTES <= PAGE_BYTES) {
        const shared = page.readUInt16LE(at);
        const length = page.readUInt16LE(at + 2);
        // No path is empty: this is where the page ends.
        if (shared + length === 0) break;
        path = path.slice(0, shared) + page.toString("latin1", at + HEAD_BYTES, at + HEAD_BYTES + length);
        at += HEAD_BYTES + length;
        left -= 1;
        yield path;
      }
    }
  }

  /** As tar reads them from `--null --files-from`: relative to the root, so that none begins with a dash. */
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

function sharedStart(a: string, b: string): number {
  const most = Math.min(a.length, b.length);
  let at = 0;
  while (at < most && a.charCodeAt(at) === b.charCodeAt(at)) at++;
  return at;
}
