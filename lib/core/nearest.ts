/**
 * Finds the word that a user probably meant. A suggestion is a misspelling of the word, never another word that happens to have
 * similar letters: `--tag` is not `--tty`.
 */

/** A longer word may have two mistakes. */
const LONG_WORD = 7;
/** More letters than any option, section or instruction has. Bounds the comparison. */
const WORD_MAX = 40;

/** Undefined if no candidate is spelled like the word. Letter case, hyphens and underscores do not count. */
export function nearest(word: string, candidates: Iterable<string>): string | undefined {
  const plain = normal(word);
  if (plain === "" || plain.length > WORD_MAX) return undefined;
  const allowed = plain.length >= LONG_WORD ? 2 : 1;
  let best: { candidate: string; distance: number } | undefined;
  for (const candidate of candidates) {
    const distance = mistakes(plain, normal(candidate));
    if (distance > allowed || distance >= normal(candidate).length - 1) continue;
    if (best === undefined || distance < best.distance) best = { candidate, distance };
  }
  return best?.candidate;
}

const normal = (word: string): string => word.toLowerCase().replace(/[^a-z0-9]/g, "");

/** Letters added, left out, replaced, or exchanged with the next (optimal string alignment distance). */
function mistakes(a: string, b: string): number {
  const rows: number[][] = [Array.from({ length: b.length + 1 }, (_, column) => column)];
  for (let row = 1; row <= a.length; row += 1) {
    const current = [row];
    for (let column = 1; column <= b.length; column += 1) {
      const replaced = (rows[row - 1]?.[column - 1] ?? 0) + (a[row - 1] === b[column - 1] ? 0 : 1);
      const added = (rows[row - 1]?.[column] ?? 0) + 1;
      const removed = (current[column - 1] ?? 0) + 1;
      const isSwap = row > 1 && column > 1 && a[row - 1] === b[column - 2] && a[row - 2] === b[column - 1];
      const swapped = isSwap ? (rows[row - 2]?.[column - 2] ?? 0) + 1 : Number.POSITIVE_INFINITY;
      current.push(Math.min(replaced, added, removed, swapped));
    }
    rows.push(current);
  }
  return rows[a.length]?.[b.length] ?? 0;
}
