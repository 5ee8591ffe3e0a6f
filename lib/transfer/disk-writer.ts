/**
 * Writes a file in order while more of it arrives. Pieces that arrive during a write are written together, and the data is flushed to
 * the disk while it grows, because the kernel would begin only at the end (docs/performance.md). An error stays until `finish`.
 */
import type { FileHandle } from "node:fs/promises";
import { giveBack } from "../nats/message-buffers.ts";

/** Waiting for the write in progress. More would not make writes faster. */
const WAITING_MAX_BYTES = 1024 * 1024;
/** A disk of 200 MB/s writes it in a sixth of a second, which is then the most that `finish` waits for. */
const FLUSH_BYTES = 32 * 1024 * 1024;

export class DiskWriter {
  readonly #file: FileHandle;
  readonly #flushBytes: number;
  #waiting: Uint8Array[] = [];
  #waitingBytes = 0;
  #unflushedBytes = 0;
  #writing: Promise<void> | undefined;
  #flushing: Promise<void> | undefined;
  #failure: { readonly error: unknown } | undefined;

  /** The caller calls `close`, which closes the file. `flushBytes`: see FLUSH_BYTES. */
  constructor(file: FileHandle, flushBytes = FLUSH_BYTES) {
    this.#file = file;
    this.#flushBytes = flushBytes;
  }

  /**
   * Resolves when more can be accepted. The caller does not use the bytes afterwards. Rejects with the error of node:fs of this or of an
   * earlier write or flush.
   */
  async write(data: Uint8Array): Promise<void> {
    this.#throwFailure();
    this.#waiting.push(data);
    this.#waitingBytes += data.length;
    this.#writing ??= this.#writeWaiting();
    while (this.#waitingBytes >= WAITING_MAX_BYTES && this.#failure === undefined) await this.#writing;
    this.#throwFailure();
  }

  /** Resolves when everything is on the disk. Rejects as `write`. */
  async finish(): Promise<void> {
    await this.idle();
    this.#throwFailure();
    await this.#file.sync();
  }

  /** Resolves when nothing is written or flushed any more. Never rejects. */
  async idle(): Promise<void> {
    await this.#writing;
    await this.#flushing;
  }

  /** Closes the file when nothing is written or flushed any more. Rejects only if that fails. */
  async close(): Promise<void> {
    await this.idle();
    await this.#file.close();
  }

  async #writeWaiting(): Promise<void> {
    try {
      while (this.#waiting.length > 0 && this.#failure === undefined) {
        const pieces = this.#waiting;
        const bytes = this.#waitingBytes;
        this.#waiting = [];
        this.#waitingBytes = 0;
        await writeWhole(this.#file, pieces);
        for (const piece of pieces) giveBack(piece);
        this.#unflushedBytes += bytes;
        if (this.#unflushedBytes >= this.#flushBytes) this.#flushing ??= this.#flush();
      }
    } catch (error) {
      this.#failure ??= { error };
    } finally {
      this.#writing = undefined;
    }
  }

  async #flush(): Promise<void> {
    this.#unflushedBytes = 0;
    try {
      await this.#file.datasync();
    } catch (error) {
      // The kernel reports a failed write to the disk once, so the error is kept.
      this.#failure ??= { error };
    } finally {
      this.#flushing = undefined;
    }
  }

  #throwFailure(): void {
    if (this.#failure !== undefined) throw this.#failure.error;
  }
}

/** writev(2) may write fewer bytes than requested. */
async function writeWhole(file: FileHandle, pieces: readonly Uint8Array[]): Promise<void> {
  for (let rest = pieces.filter(({ length }) => length > 0); rest.length > 0; ) {
    const { bytesWritten } = await file.writev(rest);
    rest = withoutFirst(rest, bytesWritten);
  }
}

function withoutFirst(pieces: readonly Uint8Array[], bytes: number): Uint8Array[] {
  let skip = bytes;
  const rest: Uint8Array[] = [];
  for (const piece of pieces) {
    if (skip < piece.length) rest.push(piece.subarray(skip));
    skip = Math.max(0, skip - piece.length);
  }
  return rest;
}
