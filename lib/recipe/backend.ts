/**
 * Which program a recipe is for, by what it says. A definition file begins with a header `Keyword: value`, of which
 * `Bootstrap:` is the only one that is always there; one that begins with a section is none, as apptainer refuses it
 * whatever comes behind. A Dockerfile begins with FROM, or with ARG before it.
 */

import { CbError } from "../core/errors.ts";
import type { Backend } from "../protocol/build-messages.ts";

/** The keywords of a definition file's header (apptainer's parser: pkg/build/types/parser, validHeaders), of later versions too. */
const HEADER =
  /^\s*(bootstrap|from|includecmd|mirrorurl|updateurl|osversion|include|library|registry|namespace|stage|product|user|regcode|productpgp|registerurl|modules|otherurl\d*|fingerprints|confurl|setopt|keyring|components|debootstrapvariant|pkgmanager|excludecmd)\s*:/i;
const INSTRUCTION = /^\s*(from|arg)\s+\S/i;

/** Throws CbError "usage" naming the recipe when it is neither; `path` is for the message alone. */
export function backendOf(recipe: string, path: string): Backend {
  for (const line of recipe.replace(/^\uFEFF/, "").split(/\r?\n/)) {
    if (/^\s*(#.*)?$/.test(line)) continue;
    if (HEADER.test(line)) return "singularity";
    if (INSTRUCTION.test(line)) return "docker";
    break;
  }
  throw new CbError("usage", `${path} is neither a definition file nor a Dockerfile`, {
    hint: 'a definition file begins with "Bootstrap:", a Dockerfile with "FROM"; --backend says which one is meant',
  });
}
