/** Subordinate ids: the ranges of user and group ids that a user may map into a user namespace (subuid(5), subgid(5)). */
import { appendFile, readFile } from "node:fs/promises";
import { userInfo } from "node:os";
import { CbError } from "../../core/errors.ts";

export interface IdRange {
  readonly first: number;
  readonly count: number;
}

/** Ids that one sandbox needs: a 16-bit range, because the files of an image may have any id in it. */
export const IDS_NEEDED = 65_536;
/** The range from which useradd allocates: SUB_UID_MIN and SUB_UID_MAX of login.defs(5). */
const FIRST_FREE = 100_000;
const LAST_FREE = 600_100_000;
const FILES = ["/etc/subuid", "/etc/subgid"] as const;

/** Returns the first range of a user, listed by name or by number, in the text of /etc/subuid or /etc/subgid. */
export function rangeOf(text: string, user: { readonly name: string; readonly uid: number }): IdRange | undefined {
  return ranges(text).find(({ owner }) => owner === user.name || owner === String(user.uid));
}

/** Returns the lowest block of IDS_NEEDED ids that overlaps no range of the texts. Throws CbError "config" when there is none. */
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

/** Returns this user's first ranges of user ids and of group ids; `undefined` when a file has no line for the user. */
export async function ownRanges(): Promise<(IdRange | undefined)[]> {
  const { username, uid } = userInfo();
  const texts = await Promise.all(FILES.map(readOrEmpty));
  return texts.map((text) => rangeOf(text, { name: username, uid }));
}

/** Adds subordinate ids for a user to the files that have none for it. Needs root. Returns the added lines. */
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
