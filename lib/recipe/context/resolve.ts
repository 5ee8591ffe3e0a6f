/** Follows a path as buildah does for COPY: the directory is the root of everything, also for absolute links. */
import { posix } from "node:path";
import { type BytePath, under } from "./byte-path.ts";
import { linkTarget, lookAt } from "./file-access.ts";

/** As many links as the kernel follows before it says ELOOP. */
const MOST_LINKS = 40;

export interface Resolved {
  readonly kind: "found" | "outside" | "missing";
  /** The end that was found, or where the way was lost. */
  readonly at: BytePath;
  /** Those on the way, in order. */
  readonly links: readonly BytePath[];
}

/** `parts`: the names from the directory on. `..` above the directory leads outside. */
export function resolveWithin(directory: BytePath, parts: readonly string[]): Resolved {
  const links: BytePath[] = [];
  const waiting = [...parts].reverse();
  let path = directory;
  for (let part = waiting.pop(); part !== undefined; part = waiting.pop()) {
    if (part === "" || part === ".") continue;
    if (part === ".." && path === directory) return { kind: "outside", at: links.at(-1) ?? directory, links };
    const next = part === ".." ? posix.dirname(path) : under(path, part);
    const stat = lookAt(next);
    if (stat === undefined || links.length > MOST_LINKS) return { kind: "missing", at: next, links };
    if (!stat.isSymbolicLink()) {
      path = next;
      continue;
    }
    links.push(next);
    const target = linkTarget(next);
    if (target.startsWith("/")) path = directory;
    waiting.push(...target.split("/").reverse());
  }
  return { kind: "found", at: path, links };
}
