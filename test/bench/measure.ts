/** Rounds of a comparison, and their statistics. Pure, except for running the two sides. */

/** One row of the table. */
export interface Row {
  readonly name: string;
  /** The subject of the measurement, for people. */
  readonly what: string;
  /** The other side; absent when there is none. */
  readonly against?: string;
  readonly unit: string;
  /** The value to reach: of the ratio when there is another side, otherwise of our value. */
  readonly goal: string;
}

/** The two sides of a comparison. Each call is one round and resolves with one value a row, in the rows' order. */
export interface Sides {
  ours(): Promise<readonly number[]>;
  /** Absent when no row has another side. */
  theirs?(): Promise<readonly number[]>;
}

export interface Result extends Row {
  /** Medians of the rounds. */
  readonly ours: number;
  readonly theirs?: number;
  /** Median of ours divided by theirs in the same round, so load that both sides met cancels out. */
  readonly ratio?: number;
  /** Lowest and highest of the ratios, or of our values when there is no other side. */
  readonly spread: readonly [number, number];
  readonly rounds: number;
}

/** The middle value, or the mean of the two middle values. NaN for an empty list. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length / 2;
  return ((sorted[Math.floor(middle)] ?? Number.NaN) + (sorted[Math.ceil(middle) - 1] ?? Number.NaN)) / 2;
}

/** The value below which that part (0 to 1) of the values lies, by the nearest rank. NaN for an empty list. */
export function quantile(values: readonly number[], part: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.max(0, Math.ceil(part * sorted.length) - 1)] ?? Number.NaN;
}

/** The result of a row from its values in each round. */
export function resultOf(row: Row, ours: readonly number[], theirs: readonly number[] | undefined): Result {
  const mine = { ...row, ours: median(ours), rounds: ours.length };
  if (theirs === undefined) return { ...mine, spread: [Math.min(...ours), Math.max(...ours)] };
  const ratios = ours.map((value, round) => value / (theirs[round] ?? Number.NaN));
  return {
    ...mine,
    theirs: median(theirs),
    ratio: median(ratios),
    spread: [Math.min(...ratios), Math.max(...ratios)],
  };
}

/** Runs both sides that often, the first of a round alternating, and resolves with one result a row. */
export async function compare(rows: readonly Row[], sides: Sides, rounds: number): Promise<Result[]> {
  const ours: (readonly number[])[] = [];
  const theirs: (readonly number[])[] = [];
  for (let round = 0; round < rounds; round += 1) {
    const inOrder = [
      async () => void ours.push(await sides.ours()),
      async () => void (sides.theirs && theirs.push(await sides.theirs())),
    ];
    for (const run of round % 2 === 0 ? inOrder : inOrder.reverse()) await run();
  }
  return rows.map((row, index) => {
    const column = (values: (readonly number[])[]) => values.map((value) => value[index] ?? Number.NaN);
    return resultOf(row, column(ours), row.against === undefined ? undefined : column(theirs));
  });
}

/** Runs the work and resolves with its duration in seconds. */
export async function secondsOf(work: () => unknown): Promise<number> {
  const startMs = performance.now();
  await work();
  return (performance.now() - startMs) / 1000;
}
