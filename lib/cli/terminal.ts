/**
 * What a person sees of our own steps, on standard error: `Title: result`. On a terminal a step in progress shows what
 * it waits for and is overwritten by its result; elsewhere each piece of news is a line of its own.
 */

export interface Output {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(text: string): unknown;
}

const CLEAR_LINE = "\r\u001b[K";
/** A terminal of no known width: what a VT100 has. */
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

  /** Begins a step. One that is still open ends as it stands. */
  begin(title: string): void {
    this.#close();
    this.#title = title;
    this.#shown = `${title}: `;
    if (this.isTerminal) this.#overwrite(this.#shown);
  }

  /** News of the step under way: position in the line, bytes so far. Said once as long as it stays the same. */
  news(text: string): void {
    const line = `${this.#title}: ${text}`;
    if (line === this.#shown) return;
    if (this.isTerminal) this.#overwrite(line);
    else this.#out.write(`${line}\n`);
    this.#shown = line;
  }

  /** Ends the step. */
  done(result: string): void {
    const line = `${this.#title}: ${result}`;
    this.#out.write(this.isTerminal ? `${CLEAR_LINE}${line}\n` : `${line}\n`);
    this.#title = "";
    this.#shown = "";
  }

  /** A line of its own; the step under way stays under way. */
  line(text: string): void {
    this.#out.write(this.isTerminal ? `${CLEAR_LINE}${text}\n` : `${text}\n`);
    if (this.isTerminal && this.#title !== "") this.#overwrite(this.#shown);
  }

  /** Leaves the cursor at the start of a line, whatever was being shown. */
  #close(): void {
    if (this.#title !== "" && this.isTerminal) this.#out.write("\n");
    this.#title = "";
    this.#shown = "";
  }

  #overwrite(line: string): void {
    // A line that wraps could not be overwritten.
    this.#out.write(`${CLEAR_LINE}${line.slice(0, this.columns - 1)}`);
  }

  end(): void {
    this.#close();
  }
}
