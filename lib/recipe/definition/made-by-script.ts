/** Files that a definition file makes itself, in a script that apptainer runs before it copies %files. */
import { posix } from "node:path";

/** Their scripts run on the machine that builds, outside the image. */
export const SCRIPTS_BEFORE_FILES: ReadonlySet<string> = new Set(["pre", "setup"]);

/** What may stand before and behind a path in a shell's line; a folder is named by what is made in it, too. */
const BEFORE = String.raw`(?<![^\s"'=<>;&|(])(?:\./)*`;
const BEHIND = String.raw`(?![^\s"'<>;&|)/])`;

/**
 * Whether the script may be what makes the path: it names it as it stands in %files. That is no proof, since it may only read
 * it; so this is asked where the caller has no such file.
 */
export function mayBeMadeBy(script: string, path: string): boolean {
  const plain = posix.normalize(path).replace(/\/$/, "");
  return plain !== "" && plain !== "." && new RegExp(BEFORE + escaped(plain) + BEHIND).test(script);
}

const escaped = (text: string): string => text.replace(/[\\^$.*+?()[\]{}|/-]/g, "\\$&");
