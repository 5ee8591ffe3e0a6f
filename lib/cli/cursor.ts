/**
 * The place of the cursor on the terminal that the build's output and the program's own lines share. Each of them asks before it
 * writes, so that neither erases a line of the other.
 */
import { stripVTControlCharacters } from "node:util";
import { TerminalModes } from "./terminal-modes.ts";

/** Moves to the start of the line and erases it. */
const CLEAR_LINE = "\r\u001b[K";
const DEFAULT_COLOURS = "\u001b[0m";
/** Also makes the cursor visible. */
const RESTORE = `${DEFAULT_COLOURS}\u001b[?25h`;
/** Enough for the escape sequences that a program prints at the end of a line. */
const TAIL_BYTES = 64;
const ESCAPE = 0x1b;

export class Cursor {
  /** `step`: behind the line that shows the current step in place. `output`: in a line of the build. */
  #at: "start" | "step" | "output" = "start";
  #hasEscapes = false;
  /** The build has written escape sequences after the last line of the program. */
  #mayBeColoured = false;
  readonly #modes = new TerminalModes();

  /** To be written before a line of the program. `plain`: without escape sequences. */
  beforeOwnLine(plain: boolean): string {
    const modes = plain ? "" : this.#resetModes();
    const text = this.#at === "output" ? "\n" : plain ? "" : CLEAR_LINE;
    return this.#mayBeColoured && !plain ? modes + DEFAULT_COLOURS + text : modes + text;
  }

  #resetModes(): string {
    // Back on its first screen the terminal has the cursor where the build left it there, perhaps in mid-line.
    if (this.#modes.isAlternateScreen) this.#at = "output";
    return this.#modes.reset();
  }

  /** The program has written; `open`: the cursor is behind its line. */
  afterOwnLine(open: boolean): void {
    this.#at = open ? "step" : "start";
    this.#mayBeColoured = false;
  }

  get isBehindStep(): boolean {
    return this.#at === "step";
  }

  /** To be written before output of the build. */
  beforeOutput(): string {
    return this.#at === "step" ? CLEAR_LINE : "";
  }

  afterOutput(bytes: Uint8Array): void {
    this.#modes.observe(bytes);
    if (bytes.includes(ESCAPE)) {
      this.#hasEscapes = true;
      this.#mayBeColoured = true;
    }
    const text = stripVTControlCharacters(Buffer.from(bytes.subarray(-TAIL_BYTES)).toString("latin1"));
    // A chunk of escape sequences alone leaves the cursor where it was.
    if (text !== "") this.#at = text.endsWith("\n") ? "start" : "output";
  }

  /** To be written at the end of the program. Empty if the build has left the terminal as it was. */
  restore(plain: boolean): string {
    const escapes = plain ? "" : this.#resetModes() + (this.#hasEscapes ? RESTORE : "");
    const text = escapes + (this.#at === "output" ? "\n" : "");
    this.#hasEscapes = false;
    if (this.#at === "output") this.#at = "start";
    return text;
  }
}
