/** Who gets a builder next: first come, first served, and users at their cap are passed over. */

export interface WaitingBuild {
  readonly build: string;
  readonly user: string;
  readonly pool: string;
  /** Its files are on their way, so it is passed over. */
  readonly awaitsContext?: true | undefined;
  /** Why it is passed over though it waits: the builder it had may still write into it. */
  readonly awaitsGone?: string | undefined;
}

interface FreeBuilder {
  readonly builder: string;
  readonly pool: string;
}

export interface MatchInput {
  /** In the order of their requests. */
  readonly waiting: readonly WaitingBuild[];
  /** Ready builders with a question outstanding, the longest waiting first. */
  readonly free: readonly FreeBuilder[];
  /** Builders that each user has now. */
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
    const has = leased.get(user) ?? 0;
    const index = free.findIndex((one) => one.pool === pool);
    if (has >= input.leasedPerUser || index < 0) continue;
    const [taken] = free.splice(index, 1);
    if (taken === undefined) continue;
    leased.set(user, has + 1);
    matches.push({ build, builder: taken.builder });
  }
  return matches;
}
