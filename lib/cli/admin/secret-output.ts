/** Writes a secret to standard output if that is a file or a pipe, never to a terminal. */
import { fchmodSync, fstatSync, writeFileSync } from "node:fs";
import { CbError, messageOf } from "../../core/errors.ts";

const STDOUT = 1;

/** Throws CbError "usage" when standard output is a terminal: others can read it there, and the scrollback keeps it. */
export function refuseTerminal(isTerminal: boolean, commandLine: string): void {
  if (!isTerminal) return;
  throw new CbError("usage", "a credential is a secret, and standard output is a terminal", {
    hint: `write it to a file: ${commandLine}`,
  });
}

/**
 * Writes the whole text. If standard output is a file, its mode is first set to 0600, because a shell creates it readable for other
 * users. Throws CbError "output" when it cannot be written.
 */
export function writeSecret(text: string): void {
  try {
    const { mode } = fstatSync(STDOUT);
    const isFile = (mode & 0o170000) === 0o100000;
    if (isFile && (mode & 0o077) !== 0) fchmodSync(STDOUT, 0o600);
    writeFileSync(STDOUT, text);
  } catch (cause) {
    throw new CbError("output", `the credential could not be written: ${messageOf(cause)}`, {
      hint: "the user was added; create a new credential with --force",
      cause,
    });
  }
}
