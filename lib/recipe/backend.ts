/**
 * Decides from the text of a recipe which program builds it. A definition file begins with a header line `Keyword:
 * value`; `Bootstrap:` is the only keyword that every header has. A file that begins with a section is no definition
 * file: apptainer refuses it, whatever follows. A Dockerfile begins with FROM, or with ARG before FROM.
 */

import { CbError } from "../core/errors.ts";
import type { Backend } from "../protocol/build-messages.ts";

/**
 * The keywords of a definition file's header, also those of later versions (apptainer: pkg/build/types/parser,
 * validHeaders).
 */
const HEADER =
  /^\s*(bootstrap|from|includecmd|mirrorurl|updateurl|osversion|include|library|registry|namespace|stage|product|user|regcode|productpgp|registerurl|modules|otherurl\d*|fingerprints|confurl|setopt|keyring|components|debootstrapvariant|pkgmanager|excludecmd)\s*:/i;
const INSTRUCTION = /^\s*(from|arg)\s+\S/i;

/** Throws CbError "usage" when the recipe is neither; the message names `path`, which is used for nothing else. */
export function backendOf(recipe: string, path: string): Backend {
  for (const line of recipe.replace(/^\uFEFF/, "").split(/\r?\n/)) {
    if (/^\s*(#.*)?$/.test(line)) continue;
    if (HEADER.test(line)) return "singularity";
    if (INSTRUCTION.test(line)) return "docker";
    break;
  }
  throw new CbError("usage", `${path} is neither a definition file nor a Dockerfile`, {
    hint: 'begin a definition file with "Bootstrap:" or a Dockerfile with "FROM", or name the kind with --backend',
  });
}
