/** Subordinate ids: the range of user and group ids that a user may hand to a user namespace (subuid(5), subgid(5)). */
import { appendFile, readFile } from "node:fs/promises";
import { userInfo } from "node:os";
import { CbError } from "../../core/errors.ts";

export interface IdRange {
  readonly first: number;
  readonly count: number;
}

/** What one sandbox needs: as many ids as an image may use. */
export const IDS_NEEDED = 65_536;
/** Where useradd begins and ends, from login.defs(5). */
const FIRST_FREE = 100_000;
const LAST_FREE = 600_100_000;
const FILES = ["/etc/subuid", "/etc/subgid"] as const;

/** The first range of a user, given by name or by number, in the text of /etc/subuid or /etc/subgid. */
export function rangeOf(text: string, user: { readonly name: string; readonly uid: number }): IdRange | undefined {
  return ranges(text).find(({ owner }) => owner === user.name || owner === String(user.uid));
}

/** The lowest free block of IDS_NEEDED ids in both texts together; it overlaps none. */
export function freeRange(texts: readonly string[]): IdRange {
  const taken = texts.flatMap(ranges).sort((a, b) => a.first - b.first);
  let first = FIRST_FREE;
  for (const range of taken) {
    if (first + IDS_NEEDED > range.first && first < range.first + range.count) first = range.first + range.count;
  }
  if (first + IDS_NEEDED > LAST_FREE) {
    throw new CbError("config", "no free block of subordinate ids", {
      hint: "see /etc/subuid and SUB_UID_MAX in login.defs(5)",
    });
  }
  return { first, count: IDS_NEEDED };
}

/** The first of this user's subordinate ids, uid and gid; `undefined` where a file has no line. */
export async function ownRanges(): Promise<(IdRange | undefined)[]> {
  const { username, uid } = userInfo();
  const texts = await Promise.all(FILES.map(readOrEmpty));
  return texts.map((text) => rangeOf(text, { name: username, uid }));
}

/** Gives a user (root if nobody is named) subordinate ids where it has none. Root only. Returns the lines that were added. */
export async function addSubordinateIds(name = "root"): Promise<string[]> {
  const texts = await Promise.all(FILES.map(readOrEmpty));
  const { first, count } = freeRange(texts);
  const added: string[] = [];
  for (const [index, file] of FILES.entries()) {
    const text = texts[index] ?? "";
    const uid = name === "root" ? 0 : Number.NaN;
    if (rangeOf(text, { name, uid }) !== undefined) continue;
    const line = `${name}:${first}:${count}`;
    await appendFile(file, `${text === "" || text.endsWith("\n") ? "" : "\n"}${line}\n`);
    added.push(`${file}: ${line}`);
  }
  return added;
}

function ranges(text: string): (IdRange & { readonly owner: string })[] {
  return text.split("\n").flatMap((line) => {
    const [owner = "", first = "", count = ""] = line.trim().split(":");
    const valid = owner !== "" && /^\d+$/.test(first) && /^\d+$/.test(count);
    return valid ? [{ owner, first: Number(first), count: Number(count) }] : [];
  });
}

function readOrEmpty(path: string): Promise<string> {
  return readFile(path, "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return "";
    throw error;
  });
}
