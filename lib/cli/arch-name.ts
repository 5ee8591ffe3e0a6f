/** Architecture names: users may write Debian's and OCI's, the queue has those of `uname -m`. */
import { CbError } from "../core/errors.ts";

const ALIASES: Readonly<Record<string, string>> = {
  amd64: "x86_64",
  arm64: "aarch64",
  ppc64el: "ppc64le",
};

/** The name in the form of `uname -m`. Throws CbError "usage" when `text` cannot be such a name. */
export function archName(text: string): string {
  const name = text.toLowerCase();
  if (!/^[a-z0-9_]{1,32}$/.test(name)) {
    throw new CbError("usage", `--arch ${text} is not an architecture`, {
      hint: "write it as uname -m prints it, e.g. x86_64",
    });
  }
  return ALIASES[name] ?? name;
}
