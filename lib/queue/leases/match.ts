/** Which waiting build gets which builder: first come, first served, except that users at their limit are passed over. */

export interface WaitingBuild {
  readonly build: string;
  readonly user: string;
  readonly pool: string;
  /** The upload of its files is not complete, so it is passed over. */
  readonly awaitsContext?: true | undefined;
  /** The reason to pass it over: its lost builder may still write into its stream. */
  readonly awaitsGone?: string | undefined;
}

export interface FreeBuilder {
  readonly builder: string;
  readonly pool: string;
}

export interface MatchInput {
  /** In the order of their reservations. */
  readonly waiting: readonly WaitingBuild[];
  /** Ready builders with a parked request, the longest ready first. */
  readonly free: readonly FreeBuilder[];
  /** Number of builders that each user has now. */
  readonly leasedByUser: ReadonlyMap<string, number>;
  readonly leasedPerUser: number;
}

export interface Match {
  readonly build: string;
  readonly builder: string;
}

/** Each build and each builder occurs at most once in the result. */
export function match(input: MatchInput): Match[] {
  const free = [...input.free];
  const leased = new Map(input.leasedByUser);
  const matches: Match[] = [];
  for (const { build, user, pool, awaitsContext, awaitsGone } of input.waiting) {
    if (awaitsContext || awaitsGone !== undefined) continue;
    const leasedNow = leased.get(user) ?? 0;
    const index = free.findIndex((candidate) => candidate.pool === pool);
    if (leasedNow >= input.leasedPerUser || index < 0) continue;
    const [taken] = free.splice(index, 1);
    if (taken === undefined) continue;
    leased.set(user, leasedNow + 1);
    matches.push({ build, builder: taken.builder });
  }
  return matches;
}
