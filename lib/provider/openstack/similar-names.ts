/** Suggests existing names in the error message about a name that does not exist. */

const NAMES_MAX = 5;

/** At most five names, the most similar to `name` first: "t.nano, t.small and 3 more". "none at all" for an empty list. */
export function similarNames(name: string, existing: readonly string[]): string {
  const sorted = [...new Set(existing)].toSorted((a, b) => distance(name, a) - distance(name, b) || (a < b ? -1 : 1));
  if (sorted.length === 0) return "none at all";
  const more = sorted.length - NAMES_MAX;
  return `${sorted.slice(0, NAMES_MAX).join(", ")}${more > 0 ? ` and ${more} more` : ""}`;
}

/** Levenshtein distance of the first 64 characters, without regard to case. */
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
