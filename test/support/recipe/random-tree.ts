/** Fills folders at random, and lists the content and attributes of all files in a folder. */
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  chownSync,
  closeSync,
  ftruncateSync,
  linkSync,
  mkdirSync,
  openSync,
  readFileSync,
  symlinkSync,
  utimesSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { Random } from "../../sim/random.ts";

const ALPHABET = "abcXYZ019 -_.äß\\'\"*?[]\n€";

/** Creates up to 40 files, sparse files, folders, hard links, and symbolic links to files in the folder. */
export function fillAtRandom(root: string, seed: number): void {
  const random = new Random(seed);
  const folders = [root];
  const files: string[] = [];
  const pick = (list: readonly string[]): string => list[random.between(0, list.length - 1)] ?? root;
  for (let index = random.between(0, 40); index > 0; index--) {
    const path = join(pick(folders), `${index}${nameOf(random)}`);
    if (path.length > 1500) continue;
    const kind = random.next();
    if (kind < 0.25) {
      mkdirSync(path);
      folders.push(path);
    } else if (kind < 0.35 && files.length > 0) linkSync(pick(files), path);
    else if (kind < 0.45 && files.length > 0) symlinkSync(pick(files), path);
    else {
      fileAt(path, random);
      files.push(path);
    }
  }
}

function nameOf(random: Random): string {
  const length = random.chance(0.2) ? random.between(50, 120) : random.between(0, 20);
  return Array.from({ length }, () => [...ALPHABET][random.between(0, [...ALPHABET].length - 1)]).join("");
}

function fileAt(path: string, random: Random): void {
  const file = openSync(path, "w");
  const size = random.chance(0.3) ? random.between(0, 2000) : random.between(0, 300_000);
  if (random.chance(0.5)) {
    ftruncateSync(file, size);
    // Pieces with holes between them; the smallest hole is a block.
    for (let at = 0; at < size; at += 4096 * random.between(1, 6))
      writeSync(file, "x".repeat(random.between(1, 4096)), at);
  } else writeSync(file, "y".repeat(size));
  closeSync(file);
  chownSync(path, random.between(0, 3_000_000), random.between(0, 3_000_000));
  if (random.chance(0.5)) utimesSync(path, random.between(0, 2 ** 31), random.between(0, 10 ** 10) + 0.25);
}

/**
 * One line per entry: type, owner, mode, time, link target or digest of the content, name. `follow`: lists a link as
 * its target.
 */
export function listing(root: string, { follow = false }: { follow?: boolean } = {}): string[] {
  const find = [...(follow ? ["-L"] : []), root, "-printf", "%y %U %G %m %TY-%Tm-%Td %TT %l\\t%p\\0"];
  const environment = { ...process.env, TZ: "UTC", LC_ALL: "C" };
  const lines = execFileSync("find", find, { encoding: "latin1", env: environment, maxBuffer: 2 ** 26 }).split("\0");
  return lines
    .filter(Boolean)
    .map((line) => {
      const path = line.slice(line.indexOf("\t") + 1);
      const digest = line.startsWith("f")
        ? createHash("sha256")
            .update(readFileSync(Buffer.from(path, "latin1")))
            .digest("hex")
            .slice(0, 16)
        : "";
      const start = Buffer.from(root).toString("latin1").length;
      return `${line.slice(0, line.indexOf("\t"))} ${digest} ${path.slice(start)}`;
    })
    .sort();
}
