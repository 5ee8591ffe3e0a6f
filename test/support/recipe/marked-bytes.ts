/** Finds `length` bytes after a mark in a stream, and hashes them, holding nothing. */
import { createHash } from "node:crypto";

export class MarkedBytes {
  readonly #mark: Buffer;
  readonly #length: number;
  readonly #sha256 = createHash("sha256");
  /** What may be the beginning of the mark; undefined once it has been seen. */
  #before: Buffer | undefined = Buffer.alloc(0);
  #bytes = 0;

  constructor(mark: string, length: number) {
    this.#mark = Buffer.from(mark);
    this.#length = length;
  }

  add(chunk: Buffer): void {
    let rest = chunk;
    if (this.#before !== undefined) {
      const seen = Buffer.concat([this.#before, chunk]);
      const at = seen.indexOf(this.#mark);
      if (at < 0) {
        this.#before = seen.subarray(-this.#mark.length);
        return;
      }
      rest = seen.subarray(at + this.#mark.length);
      this.#before = undefined;
    }
    const taken = rest.subarray(0, this.#length - this.#bytes);
    this.#bytes += taken.length;
    this.#sha256.update(taken);
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** May be asked once. */
  digest(): string {
    return this.#sha256.digest("hex");
  }
}
