/**
 * Turns a machine's console output into lines that are safe to print on a terminal. A recipe can write to the console, so the
 * output is untrusted.
 */

/** CSI and OSC sequences, and the escapes of two characters (ECMA-48, 5.3 to 5.6). */
// biome-ignore lint/suspicious/noControlCharactersInRegex: the expression removes these characters.
const ESCAPES = /\u001b(?:\[[0-?]*[ -/]*[@-~]|\][^\u0007\u001b]*(?:\u0007|\u001b\\)?|[ -/]*[0-~])/g;
/** Control characters, and the format characters that reorder or hide the characters beside them. */
const UNPRINTABLE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+/gu;
/** Fills two lines of a terminal that is 200 columns wide. */
const LINE_MAX_CHARS = 400;

/** Returns the newest `maxLines` lines that are not empty, oldest first; none when `maxLines` is 0 or less. */
export function consoleLines(printed: Uint8Array, maxLines: number): string[] {
  if (maxLines <= 0) return [];
  const lines = Buffer.from(printed).toString().replace(ESCAPES, "").split("\n");
  return lines
    .map(sanitizeLine)
    .filter((line) => line !== "")
    .slice(-maxLines);
}

/** Keeps the text after the last carriage return, because a progress bar overwrites its line. */
function sanitizeLine(line: string): string {
  const last = line.replace(/\r+$/, "").split("\r").at(-1) ?? "";
  const clean = last.replace(UNPRINTABLE, " ").trimEnd();
  return clean.length > LINE_MAX_CHARS ? `${clean.slice(0, LINE_MAX_CHARS)}…` : clean;
}
