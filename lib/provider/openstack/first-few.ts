/** What exists instead of a name that does not: the most similar first, and only so many. */

const SHOWN = 5;

/** "t.nano, t.small and 3 more"; "none at all" of an empty list. */
export function firstFew(wanted: string, names: readonly string[]): string {
  const sorted = [...new Set(names)].toSorted((a, b) => distance(wanted, a) - distance(wanted, b) || (a < b ? -1 : 1));
  if (sorted.length === 0) return "none at all";
  const more = sorted.length - SHOWN;
  return `${sorted.slice(0, SHOWN).join(", ")}${more > 0 ? ` and ${more} more` : ""}`;
}

/** Insertions, deletions and replacements that make one of the other (Levenshtein), capitals or not. */
function distance(from: string, to: string): number {
  const [a, b] = [from.toLowerCase().slice(0, 64), to.toLowerCase().slice(0, 64)];
  let row = Array.from({ length: b.length + 1 }, (_, n) => n);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(replaced, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}
