/** Reads the CA certificates that a setting names. */
import { readFileSync } from "node:fs";
import { CbError, messageOf } from "../core/errors.ts";

/** The PEM text of the file. Throws CbError "config", naming the file and `namedIn`, when it cannot be read. */
export function readCaFile(path: string, namedIn: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (cause) {
    throw new CbError("config", `cannot read the CA file ${path} named in ${namedIn}: ${messageOf(cause)}`, { cause });
  }
}
