/**
 * The terminal output of the user's programs. Their own steps are printed as `Title: result`, on standard error unless a program
 * chooses otherwise: a terminal shows the current step in place, other outputs get one line for each update. The build's output
 * is written to standard output (standard-output.ts).
 */
import { Cursor } from "./cursor.ts";
import { columnsOf, cutToColumns, fit } from "./text/width.ts";

export interface Output {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(text: string): unknown;
}

export interface StepsOptions {
  /** Shared with the build's output, if both go to the same terminal. */
  readonly cursor?: Cursor;
  /** True: whole lines without escape sequences, also on a terminal (--no-tty, TERM=dumb). */
  readonly plain?: boolean;
}

/** The width of a VT100, for a terminal of unknown width. */
const COLUMNS = 80;

/** A shorter title says nothing. */
const TITLE_MIN_COLUMNS = 4;

export class Steps {
  readonly #out: Output;
  readonly #cursor: Cursor;
  readonly #plain: boolean;
  #title = "";
  #shown = "";

  constructor(out: Output, { cursor = new Cursor(), plain = false }: StepsOptions = {}) {
    this.#out = out;
    this.#cursor = cursor;
    this.#plain = plain;
  }

  /** True if the current step is shown in place. */
  get isTerminal(): boolean {
    return this.#out.isTTY === true && !this.#plain;
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
    // A long title is shortened, because the text behind it is what changes.
    const title = this.isTerminal ? shorten(this.#title, this.columns - columnsOf(text) - 3) : this.#title;
    const line = labelled(title, text);
    if (line === this.#shown) return;
    if (this.isTerminal) this.#overwrite(line);
    else this.#writeLine(line);
    this.#shown = line;
  }

  /** Ends the current step with its result. */
  complete(result: string): void {
    const line = labelled(this.#title, result);
    this.#writeLine(line);
    this.#title = "";
    this.#shown = "";
  }

  /** Prints a separate line. The current step stays open. */
  print(text: string): void {
    this.#writeLine(text);
    if (this.isTerminal && this.#title !== "") this.#overwrite(this.#shown);
  }

  /** Closes an open step without a result, so that the cursor is at the start of a line. */
  close(): void {
    if (this.#title !== "" && this.isTerminal && this.#cursor.isBehindStep) {
      this.#out.write("\n");
      this.#cursor.afterOwnLine(false);
    }
    this.#title = "";
    this.#shown = "";
  }

  #writeLine(line: string): void {
    this.#out.write(`${this.#cursor.beforeOwnLine(!this.isTerminal)}${line}\n`);
    this.#cursor.afterOwnLine(false);
  }

  #overwrite(line: string): void {
    // Truncated to the width, because a line that wraps cannot be overwritten.
    this.#out.write(`${this.#cursor.beforeOwnLine(false)}${cutToColumns(line, this.columns - 1)}`);
    this.#cursor.afterOwnLine(true);
  }
}

/** cb-attach shows results of steps that began before it. */
const labelled = (title: string, text: string): string => (title === "" ? text : `${title}: ${text}`);

function shorten(title: string, columns: number): string {
  return columns < TITLE_MIN_COLUMNS ? title : fit(title, columns);
}
