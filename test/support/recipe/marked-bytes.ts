/** Finds the `length` bytes after a mark in a stream and hashes them, without keeping them in memory. */
import { createHash } from "node:crypto";

export class MarkedBytes {
  readonly #mark: Buffer;
  readonly #length: number;
  readonly #sha256 = createHash("sha256");
  /** The last bytes, which may be the beginning of the mark; undefined once the mark is found. */
  #before: Buffer | undefined = Buffer.alloc(0);
  #bytes = 0;

  constructor(mark: string, length: number) {
    this.#mark = Buffer.from(mark);
    this.#length = length;
  }

  add(chunk: Buffer): void {
    let rest = chunk;
    if (this.#before !== undefined) {
      const searched = Buffer.concat([this.#before, chunk]);
      const at = searched.indexOf(this.#mark);
      if (at < 0) {
        this.#before = searched.subarray(-this.#mark.length);
        return;
      }
      rest = searched.subarray(at + this.#mark.length);
      this.#before = undefined;
    }
    const taken = rest.subarray(0, this.#length - this.#bytes);
    this.#bytes += taken.length;
    this.#sha256.update(taken);
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** SHA-256 in hexadecimal. Call it once. */
  digest(): string {
    return this.#sha256.digest("hex");
  }
}
