/** The closed list of the kinds of failure, each with its exit code. The queue's error replies carry the kind. */

/** The numbers are those of sysexits(3) where it has one for the case; 1 and 130 are what shells and users expect. */
export const EXIT_CODES = {
  /** The recipe failed: the build ran, and a command of the recipe returned an error. */
  recipe: 1,
  /** The caller must change the call or a file named in it (EX_USAGE). */
  usage: 64,
  /** NATS or the queue cannot be reached (EX_UNAVAILABLE). */
  unreachable: 69,
  /** A bug of this project (EX_SOFTWARE). */
  bug: 70,
  /** The image or standard output cannot be written: directory, rights, full disk (EX_CANTCREAT). */
  output: 73,
  /** The infrastructure failed; the same call may succeed later (EX_TEMPFAIL). */
  infrastructure: 75,
  /** The caller is not allowed to do this (EX_NOPERM). */
  denied: 77,
  /** A setting is missing or wrong (EX_CONFIG). */
  config: 78,
  /** Cancelled by the user: 128 + SIGINT (2), as in shells. */
  cancelled: 130,
} as const;

export type ErrorKind = keyof typeof EXIT_CODES;
