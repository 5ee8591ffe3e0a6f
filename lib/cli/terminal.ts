/**
 * The terminal output of the user's programs. Their own steps are printed as `Title: result`, on standard error unless a program
 * chooses otherwise: a terminal shows the current step in place, other outputs get one line for each update. The build's output
 * is written to standard output.
 */
import { once } from "node:events";
import { cutToColumns } from "./text/width.ts";

export interface Output {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(text: string): unknown;
}

const CLEAR_LINE = "\r\u001b[K";
/** The width of a VT100, for a terminal of unknown width. */
const COLUMNS = 80;

export class Steps {
  readonly #out: Output;
  #title = "";
  #shown = "";

  constructor(out: Output) {
    this.#out = out;
  }

  get isTerminal(): boolean {
    return this.#out.isTTY === true;
  }

  get columns(): number {
    return this.#out.columns ?? COLUMNS;
  }

  /** Begins a step. A step that is still open is closed without a result. */
  begin(title: string): void {
    this.close();
    this.#title = title;
    this.#shown = `${title}: `;
    if (this.isTerminal) this.#overwrite(this.#shown);
  }

  /** Shows the progress of the current step. The same text twice in a row is shown once. */
  update(text: string): void {
    const line = this.#line(text);
    if (line === this.#shown) return;
    if (this.isTerminal) this.#overwrite(line);
    else this.#out.write(`${line}\n`);
    this.#shown = line;
  }

  /** Ends the current step with its result. */
  complete(result: string): void {
    const line = this.#line(result);
    this.#out.write(this.isTerminal ? `${CLEAR_LINE}${line}\n` : `${line}\n`);
    this.#title = "";
    this.#shown = "";
  }

  /** Prints a separate line. The current step stays open. */
  print(text: string): void {
    this.#out.write(this.isTerminal ? `${CLEAR_LINE}${text}\n` : `${text}\n`);
    if (this.isTerminal && this.#title !== "") this.#overwrite(this.#shown);
  }

  /** Closes an open step without a result, so that the cursor is at the start of a line. */
  close(): void {
    if (this.#title !== "" && this.isTerminal) this.#out.write("\n");
    this.#title = "";
    this.#shown = "";
  }

  /** Without an open step the text stands alone. */
  #line(text: string): string {
    return this.#title === "" ? text : `${this.#title}: ${text}`;
  }

  #overwrite(line: string): void {
    // Truncated to the width, because a line that wraps cannot be overwritten.
    this.#out.write(`${CLEAR_LINE}${cutToColumns(line, this.columns - 1)}`);
  }
}

let stdoutFailed = false;
process.stdout.on("error", () => {
  // The reader has exited, as `| head` does, or the disk is full. The client goes on, because it still fetches the image.
  stdoutFailed = true;
});

/** Writes the build's output to standard output. Waits for a slow reader, so that memory use stays bounded. */
export async function writeOutput(bytes: Uint8Array): Promise<void> {
  if (stdoutFailed || process.stdout.write(bytes)) return;
  // Rejects when the stream fails; the listener above has recorded that.
  await once(process.stdout, "drain").catch(() => undefined);
}
