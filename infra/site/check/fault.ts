/** The findings of `cb-admin site check`. */

export interface Fault {
  /** In the site's folder, or an absolute path. */
  readonly path: string;
  readonly text: string;
  /** A command or a sentence. */
  readonly remedy: string;
}

/** A certificate or a credential. */
export interface Lifetime {
  readonly path: string;
  /** Absent: it does not end by itself. */
  readonly endsAtMs?: number;
}

export interface Findings {
  readonly faults: readonly Fault[];
  readonly lifetimes: readonly Lifetime[];
}

export function joined(all: readonly Findings[]): Findings {
  return { faults: all.flatMap(({ faults }) => faults), lifetimes: all.flatMap(({ lifetimes }) => lifetimes) };
}
