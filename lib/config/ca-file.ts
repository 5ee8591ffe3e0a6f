/** Reads the CA certificates that a setting names. */
import { readFileSync } from "node:fs";
import { messageOf } from "../core/errors.ts";
import { settingsFailure } from "../core/read-failure.ts";

/** The PEM text of the file. Throws the error of settingsFailure, which names the file and `namedIn`. */
export function readCaFile(path: string, namedIn: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (cause) {
    throw settingsFailure(`cannot read the CA file ${path} named in ${namedIn}: ${messageOf(cause)}`, cause);
  }
}
