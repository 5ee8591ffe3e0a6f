/** Architecture names: users may write those of docker, OCI, Debian and Go, the queue has those of `uname -m`. */
import { CbError } from "../core/errors.ts";

const ALIASES: Readonly<Record<string, string>> = {
  amd64: "x86_64",
  "x86-64": "x86_64",
  arm64: "aarch64",
  "arm64/v8": "aarch64",
  ppc64el: "ppc64le",
  "386": "i686",
  i386: "i686",
};

/** The name in the form of `uname -m`. `shown`: the option, for messages. Throws CbError "usage" when `text` cannot be such a name. */
export function archName(text: string, shown = `--arch ${text}`): string {
  const name = text.toLowerCase();
  const known = ALIASES[name];
  if (known !== undefined) return known;
  if (/^[a-z0-9_]{1,32}$/.test(name)) return name;
  throw new CbError("usage", `${shown} is not an architecture`, {
    hint: "write it as uname -m prints it, e.g. x86_64, or as docker does, e.g. arm64",
  });
}
