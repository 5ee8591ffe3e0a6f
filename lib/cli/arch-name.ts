/** How people name an architecture, and how the queue does. */
import { CbError } from "../core/errors.ts";

/** Other words for the same machines, as Debian and OCI have them. */
const ALIASES: Readonly<Record<string, string>> = {
  amd64: "x86_64",
  arm64: "aarch64",
  ppc64el: "ppc64le",
};

/** As `uname -m` says it. Throws CbError "usage" on what no machine is called. */
export function archName(text: string): string {
  const name = text.toLowerCase();
  if (!/^[a-z0-9_]{1,32}$/.test(name)) {
    throw new CbError("usage", `--arch ${text} is no architecture`, { hint: "name it as uname -m does, e.g. x86_64" });
  }
  return ALIASES[name] ?? name;
}
