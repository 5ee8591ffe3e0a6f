/**
 * The modes of the terminal that the build's output has changed: a full-screen program that is killed leaves its screen, its mouse
 * reports and its scrolling region behind. Sequences: xterm, ctlseqs, "Functions using CSI" and "Private mode".
 */

/** DEC private modes that are off by default: cursor keys, origin, mouse reports, focus reports, pasting, synchronized output. */
const OFF = ["1", "6", "9", "1000", "1001", "1002", "1003", "1004", "1005", "1006", "1015", "1016", "2004", "2026"];
const ALTERNATE_SCREEN = ["47", "1047", "1049"];
/** On by default: a long line continues on the next. */
const WRAP = "7";

/** A change of one or more modes, of the scrolling region, the insert mode, the keypad, or the character set; or a full reset. */
const CHANGE =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: a terminal's control sequences
  /\u001b\[\?([\d;]{1,64})([hl])|\u001b\[([\d;]{0,16})r|\u001b\[4([hl])|\u001b([=>])|\u001b\(([0-9A-B])|([\u000e\u000f])|\u001b(c)/g;
/** As long as a sequence that is cut between two pieces of output. */
const TAIL_CHARS = 80;

const ESCAPE = 0x1b;
const SHIFT_OUT = 0x0e;

export class TerminalModes {
  /** From the name of a changed mode to the sequence that resets it. Bounded by the number of modes above. */
  readonly #changed = new Map<string, string>();
  #tail = "";

  /** Call it with all of the build's output, in order. */
  observe(bytes: Uint8Array): void {
    const isPlain = !bytes.includes(ESCAPE) && !bytes.includes(SHIFT_OUT);
    if (isPlain && this.#tail === "" && !this.#changed.has("shift")) return;
    const text = this.#tail + Buffer.from(bytes).toString("latin1");
    // The last sequences are seen twice, in the same order, which changes nothing.
    for (const change of text.matchAll(CHANGE)) this.#apply(change);
    const tail = text.slice(-TAIL_CHARS);
    this.#tail = tail.includes("\u001b") ? tail : "";
  }

  #apply([, modes, set, region, insert, keypad, charset, shift, full]: readonly (string | undefined)[]): void {
    if (full !== undefined) this.#changed.clear();
    for (const mode of modes?.split(";") ?? []) this.#applyPrivate(mode, set === "h");
    // Setting the region moves the cursor, so that is saved and restored.
    if (region !== undefined) this.#note("region", region !== "", "\u001b7\u001b[r\u001b8");
    if (insert !== undefined) this.#note("insert", insert === "h", "\u001b[4l");
    if (keypad !== undefined) this.#note("keypad", keypad === "=", "\u001b>");
    if (charset !== undefined) this.#note("charset", charset !== "B", "\u001b(B");
    if (shift !== undefined) this.#note("shift", shift === "\u000e", "\u000f");
  }

  #applyPrivate(mode: string, isSet: boolean): void {
    if (mode === WRAP) this.#note(mode, !isSet, `\u001b[?${mode}h`);
    else if (OFF.includes(mode) || ALTERNATE_SCREEN.includes(mode)) this.#note(mode, isSet, `\u001b[?${mode}l`);
  }

  #note(name: string, isChanged: boolean, reset: string): void {
    if (isChanged) this.#changed.set(name, reset);
    else this.#changed.delete(name);
  }

  /** True while the output is on the other screen, which a terminal hides at the end. */
  get isAlternateScreen(): boolean {
    return ALTERNATE_SCREEN.some((mode) => this.#changed.has(mode));
  }

  /** The sequences that give the terminal its modes back, to be written at once; "" if the build has left none changed. */
  reset(): string {
    const text = [...this.#changed.values()].join("");
    this.#changed.clear();
    this.#tail = "";
    return text;
  }
}
