/**
 * Standard output of the user's programs. A closed pipe (`| head`) or terminal is harmless: the program goes on without output. Every
 * other failure to write is recorded, so that no program ends with 0 after its output was cut off.
 */
import { once } from "node:events";
import { closeSync, fstatSync, writeSync } from "node:fs";
import { isatty } from "node:tty";
import { CbError, codeOf, messageOf } from "../core/errors.ts";
import { Cursor } from "./cursor.ts";

const STDOUT = 1;
const STDERR = 2;
const READER_GONE: readonly unknown[] = ["EPIPE", "ECONNRESET"];

let readerGone = false;
let failure: CbError | undefined;
let notify: ((failure: CbError) => void) | undefined;

const cursor = new Cursor();

/** The cursor for lines on standard error: that of standard output if both are the same terminal. */
export const errorCursor = (): Cursor => (sameTerminal() ? cursor : new Cursor());

/** The terminal does not understand escape sequences. */
export const isDumbTerminal = (): boolean => process.env.TERM === "dumb";

/** CbError "output" if standard output could not be written. */
export const outputFailure = (): CbError | undefined => failure;

/** Calls the listener at once when standard output can no longer be written. */
export function onOutputFailure(listener: (failure: CbError) => void): void {
  notify = listener;
}

/** Writes the program's own text. */
export function printText(text: string): void {
  if (canWrite()) write(Buffer.from(text));
}

/** For the steps of programs that print them on standard output. */
export const standardOutput = {
  get isTTY() {
    return process.stdout.isTTY;
  },
  get columns() {
    return process.stdout.columns;
  },
  write: printText,
};

/** Writes the build's output. Waits for a slow reader, so that memory use stays bounded. */
export async function writeOutput(bytes: Uint8Array): Promise<void> {
  if (!canWrite()) return;
  const before = process.stdout.isTTY ? cursor.beforeOutput() : "";
  cursor.afterOutput(bytes);
  if (write(before === "" ? bytes : Buffer.concat([Buffer.from(before), bytes]))) return;
  // Rejects when the stream fails; the listener below has recorded that.
  await once(process.stdout, "drain").catch(() => undefined);
}

/** Writes a part of an image as writeOutput does. False when it was lost: a reader that has left is no success here. */
export async function writeImage(bytes: Uint8Array): Promise<boolean> {
  if (canWrite() && !write(bytes)) await once(process.stdout, "drain").catch(() => undefined);
  return canWrite();
}

/** Gives the terminal back as it was: the build may have left colours, a hidden cursor, or half a line. */
export function restoreTerminal(): void {
  if (!process.stdout.isTTY || !canWrite()) return;
  const text = cursor.restore(isDumbTerminal());
  if (text !== "") process.stdout.write(text);
}

/** Closes a file: NFS and quotas report some failures only then. Nothing can be written afterwards. */
export function closeOutput(): void {
  if (!canWrite() || !isFile()) return;
  try {
    closeSync(STDOUT);
  } catch (error) {
    recordFailure(error);
  }
}

const canWrite = (): boolean => failure === undefined && !readerGone;

/** False when the caller should wait for "drain". */
function write(bytes: Uint8Array): boolean {
  if (!isFile()) return process.stdout.write(bytes);
  try {
    // Node's own stream ignores that write(2) on a full disk writes only a part.
    for (let offset = 0; offset < bytes.length; ) offset += writeSync(STDOUT, bytes, offset);
  } catch (error) {
    recordFailure(error);
  }
  return true;
}

/** A file or a device such as /dev/full: neither a terminal, nor a pipe, nor a socket. */
function isFile(): boolean {
  const info = fstatSync(STDOUT);
  return !info.isFIFO() && !info.isSocket() && !isatty(STDOUT);
}

function recordFailure(cause: unknown): void {
  if (!canWrite()) return;
  // A terminal that was closed answers with EIO.
  readerGone = READER_GONE.includes(codeOf(cause)) || process.stdout.isTTY;
  if (readerGone) return;
  failure = new CbError("output", `cannot write to standard output: ${messageOf(cause)}`, {
    hint: "free some space there, or send the output to another place",
    cause,
  });
  notify?.(failure);
}
process.stdout.on("error", recordFailure);

function sameTerminal(): boolean {
  return isatty(STDOUT) && isatty(STDERR) && fstatSync(STDOUT).rdev === fstatSync(STDERR).rdev;
}
