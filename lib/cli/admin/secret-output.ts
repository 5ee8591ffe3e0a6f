/** A secret on its way to standard output: to a file of its owner's or to a program, never to a screen. */
import { fchmodSync, fstatSync, writeFileSync } from "node:fs";
import { CbError, messageOf } from "../../core/errors.ts";

const STDOUT = 1;

/** Throws CbError "usage" when standard output is a terminal: what scrolls by there is kept, and looked at. */
export function refuseTerminal(isTerminal: boolean, call: string): void {
  if (!isTerminal) return;
  throw new CbError("usage", "a credential is a secret, and standard output is a terminal", {
    hint: `write it to a file: ${call}`,
  });
}

/**
 * Writes all of it. A file that a shell has just made is readable to everybody by its umask, so that is taken back first.
 * Throws CbError "output" when it cannot be written.
 */
export function writeSecret(text: string): void {
  try {
    const { mode } = fstatSync(STDOUT);
    const isFile = (mode & 0o170000) === 0o100000;
    if (isFile && (mode & 0o077) !== 0) fchmodSync(STDOUT, 0o600);
    writeFileSync(STDOUT, text);
  } catch (cause) {
    throw new CbError("output", `the credential could not be written: ${messageOf(cause)}`, {
      hint: "the user is there without it; make another one with --force",
      cause,
    });
  }
}
