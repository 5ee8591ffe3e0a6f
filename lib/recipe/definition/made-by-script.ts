/** Detects files that a definition file itself makes, in a script that apptainer runs before it copies %files. */
import { posix } from "node:path";

/** Sections with scripts that apptainer runs on the build machine, outside the image, before it copies %files. */
export const SCRIPTS_BEFORE_FILES: ReadonlySet<string> = new Set(["pre", "setup"]);

/**
 * Characters that may stand before and after a path in a shell line. A slash may follow: a path below a folder names
 * the folder too.
 */
const BEFORE = String.raw`(?<![^\s"'=<>;&|(])(?:\./)*`;
const AFTER = String.raw`(?![^\s"'<>;&|)/])`;

/**
 * True when the script names the path exactly as %files does, so that the script may make it. This is no proof, since
 * the script may only read the path; callers therefore use it only for a path that the caller's disk lacks.
 */
export function scriptMayMake(script: string, path: string): boolean {
  const plain = posix.normalize(path).replace(/\/$/, "");
  return plain !== "" && plain !== "." && new RegExp(BEFORE + escaped(plain) + AFTER).test(script);
}

const escaped = (text: string): string => text.replace(/[\\^$.*+?()[\]{}|/-]/g, "\\$&");
