/** What a machine printed, made into lines that do no harm on a terminal. Whoever writes a recipe writes there. */

/** CSI and OSC sequences, and the escapes of two characters (ECMA-48, 5.3 to 5.6). */
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is to be removed.
const ESCAPES = /\u001b(?:\[[0-?]*[ -/]*[@-~]|\][^\u0007\u001b]*(?:\u0007|\u001b\\)?|[ -/]*[0-~])/g;
/** Control characters, and the format characters that reorder or hide what stands beside them. */
const UNPRINTABLE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+/gu;
/** Two lines of a wide terminal. */
const LINE_MAX_CHARS = 400;

/** The newest `most` lines that are not empty. */
export function consoleLines(printed: Uint8Array, most: number): string[] {
  if (most <= 0) return [];
  const lines = Buffer.from(printed).toString().replace(ESCAPES, "").split("\n");
  return lines
    .map(shown)
    .filter((line) => line !== "")
    .slice(-most);
}

/** A progress bar writes over itself: what stands there in the end counts. */
function shown(line: string): string {
  const last = line.replace(/\r+$/, "").split("\r").at(-1) ?? "";
  const clean = last.replace(UNPRINTABLE, " ").trimEnd();
  return clean.length > LINE_MAX_CHARS ? `${clean.slice(0, LINE_MAX_CHARS)}…` : clean;
}
