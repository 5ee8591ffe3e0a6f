/** The numbers that a pool is run by. Each has a name, a default, and the reason for the default. */

import { CbError } from "../../core/errors.ts";

export interface PoolPolicy {
  readonly pool: string;
  /** Ready builders to keep for future builds. */
  readonly reserveTarget: number;
  /** Machines that may exist at once, in any state, including those being destroyed and unrecorded ones. */
  readonly totalMax: number;
  /** From the create to the agent's first request. */
  readonly bootTimeoutMs: number;
  /** From an agent's last request until its builder is given up. */
  readonly silenceTimeoutMs: number;
  /** A ready builder older than this is replaced, one at a time. */
  readonly maxReadyAgeMs: number;
  /** Between two passes if nothing requires an earlier one. */
  readonly relistMs: number;
  /** Between two passes while a machine is being created or destroyed, because no event reports the end of that. */
  readonly pendingMs: number;
  /** Between the starts of two passes at least, whatever wakes the loop. */
  readonly minPassGapMs: number;
  /** How long after its claim a create may still bring up a machine that no listing has shown. */
  readonly createGraceMs: number;
  /** How long after its claim a slot may be without a record. The record is written before the create call. */
  readonly claimGraceMs: number;
  /** Between two listings that agree, before an unrecorded machine is destroyed or a vanished machine is given up. */
  readonly confirmMs: number;
  /** Before the provider is asked again to destroy a machine that it still lists. */
  readonly destroyRetryMs: number;
  /** How long a builder must have been ready to end the row of failures. A leased builder ends it at once. */
  readonly provenMs: number;
  /** Pause after the second failure in a row, doubled by each further one, up to `maxMs`. */
  readonly backoff: { readonly firstMs: number; readonly maxMs: number };
  /** Time limit of one call to the provider. */
  readonly callTimeoutMs: number;
  /** Calls to the provider at once. */
  readonly concurrency: number;
  /** Creates, and likewise destroys, in one pass: during a long pass the pool reacts to nothing else. */
  readonly callsPerPass: number;
}

export const DEFAULT_POLICY: PoolPolicy = {
  pool: "default",
  // Two users who start at once both find a builder; a third waits for one boot.
  reserveTarget: 2,
  // The reserve and two builds: fits a workstation. A site sets what its quota allows.
  totalMax: 4,
  // A cloud image with systemd takes 40-54 s under emulation (measured), a busy cloud some minutes to schedule.
  bootTimeoutMs: 5 * 60_000,
  // Three missed requests: an agent that gets no reply repeats its request every 10 s at most (agent/queue-client.ts).
  // NATS or a network recovers within less, and after an outage silence is counted from the beginning.
  silenceTimeoutMs: 30_000,
  // Shorter than a week of security updates; long enough that replacement costs one machine a day for each in reserve.
  maxReadyAgeMs: 24 * 3_600_000,
  // Six listings a minute, whatever the number of builders, is no load for the API of a cloud.
  relistMs: 10_000,
  // A user waits for the boot or the slot, and notices a delay of about a second.
  pendingMs: 1_000,
  // Events arrive in bursts (a build ends, its builder is destroyed, another is created): one pass serves several.
  minPassGapMs: 100,
  // Half of it to send the call, callTimeoutMs for the call, and the rest until the listing shows the machine.
  createGraceMs: 120_000,
  // Two writes to NATS, of 5 s at most each, precede the record. Without a record the provider was not called, so a
  // queue that was killed there must not cost the pool a slot for the whole createGraceMs.
  claimGraceMs: 10_000,
  // Longer than a burst of passes, so that two passes use two replies of the provider.
  confirmMs: 2_000,
  // Clouds take some seconds to mark a machine as being deleted.
  destroyRetryMs: 10_000,
  // Longer than a broken image takes to boot and crash.
  provenMs: 30_000,
  // A short fault passes in seconds. A quota is raised by an operator, who expects builders within minutes.
  backoff: { firstMs: 2_000, maxMs: 120_000 },
  // nova answers a create within a few seconds; after 30 s the listing tells whether the machine exists.
  callTimeoutMs: 30_000,
  // Little load for the API of a small cloud, and for a workstation with two cores.
  concurrency: 4,
  callsPerPass: 8,
};

/** The defaults with the changes of a site. Throws CbError "config" that names every invalid value. */
export function poolPolicy(changes: Partial<PoolPolicy> = {}): PoolPolicy {
  const policy = { ...DEFAULT_POLICY, ...changes };
  const faults = [
    ...Object.entries({ ...policy, ...policy.backoff }).flatMap(([name, value]) =>
      typeof value === "number" && !(Number.isSafeInteger(value) && value >= 0) ? [`${name} is ${value}`] : [],
    ),
    ...(policy.totalMax < 1 ? ["totalMax is below 1, so nothing could ever be built"] : []),
    ...(policy.concurrency < 1 || policy.callsPerPass < 1 ? ["concurrency or callsPerPass is below 1"] : []),
    ...(policy.minPassGapMs < 10 || policy.relistMs < policy.minPassGapMs
      ? ["minPassGapMs is below 10 or above relistMs"]
      : []),
    ...(policy.createGraceMs < 2 * policy.callTimeoutMs ? ["createGraceMs is below twice callTimeoutMs"] : []),
  ];
  if (faults.length === 0) return policy;
  const hint = "durations are whole milliseconds, counts are whole numbers";
  throw new CbError("config", `the policy of pool ${policy.pool} is invalid: ${faults.join("; ")}`, { hint });
}
