/** Which owners a process may give to its files: inside a user namespace, those that are mapped into it. */
import { readFile } from "node:fs/promises";

/** Whether every id from 0 to `highestId` is there. `map`: a uid_map or gid_map as in user_namespaces(7). */
export function coversIds(map: string, highestId: number): boolean {
  const ranges = map
    .trim()
    .split("\n")
    .map((line) => line.trim().split(/\s+/).map(Number))
    .map(([start = 0, , count = 0]) => ({ start, end: start + count }))
    .sort((a, b) => a.start - b.start);
  let covered = 0;
  for (const { start, end } of ranges) if (start <= covered) covered = Math.max(covered, end);
  return covered > highestId;
}

export async function canOwn(highestId: number): Promise<boolean> {
  const maps = await Promise.all(["/proc/self/uid_map", "/proc/self/gid_map"].map((path) => readFile(path, "utf8")));
  return maps.every((map) => coversIds(map, highestId));
}
