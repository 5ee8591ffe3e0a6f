/**
 * Names on a Unix disk are bytes. Here they are strings with one character for each byte (latin1): text functions work on
 * them, a map can hold them, and a name that is no UTF-8 comes through unharmed.
 */
import { posix } from "node:path";

/** Absolute, without `.`, `..` or a slash at the end. */
export type BytePath = string;

/** From what a recipe or a caller wrote. */
export const fromText = (text: string): BytePath => Buffer.from(text, "utf8").toString("latin1");

/** For node:fs, which takes a string for UTF-8. */
export const toBytes = (path: BytePath): Buffer => Buffer.from(path, "latin1");

/** For people, and for patterns that count characters; bytes that are no UTF-8 become U+FFFD. */
export const shown = (path: BytePath): string =>
  /[\x80-\xff]/.test(path) ? Buffer.from(path, "latin1").toString("utf8") : path;

export const under = (folder: BytePath, name: string): BytePath => (folder === "/" ? `/${name}` : `${folder}/${name}`);

export const isWithin = (folder: BytePath, path: BytePath): boolean =>
  folder === "/" || path === folder || path.startsWith(`${folder}/`);

/** The folders above `path` that are below `folder`, the upper first; none where `path` is elsewhere. */
export function foldersBetween(folder: BytePath, path: BytePath): BytePath[] {
  const between: BytePath[] = [];
  if (!isWithin(folder, path)) return between;
  for (let above = posix.dirname(path); above.length > folder.length; above = posix.dirname(above)) between.push(above);
  return between.reverse();
}
