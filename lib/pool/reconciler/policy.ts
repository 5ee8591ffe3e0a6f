/** How a pool is kept: every number has a name, a default, and the reason for it. */

import { CbError } from "../../core/errors.ts";

export interface PoolPolicy {
  readonly pool: string;
  /** Ready builders that wait for a build. */
  readonly reserveTarget: number;
  /** Machines that may exist at once, of any state, doomed and unknown ones included. */
  readonly totalMax: number;
  /** From the create to the agent's first question. */
  readonly bootTimeoutMs: number;
  /** From the last question to giving a builder up. */
  readonly silenceTimeoutMs: number;
  /** A ready builder older than this is renewed, one at a time. */
  readonly maxReadyAgeMs: number;
  /** The periodic full look, when nothing calls for an earlier one. */
  readonly relistMs: number;
  /** The look while a machine is on its way in or out, which no event tells. */
  readonly pendingMs: number;
  /** Between the starts of two looks, whatever wakes the loop. */
  readonly minPassGapMs: number;
  /** How long after it was claimed a create may still bring up a machine that no listing has shown. */
  readonly createGraceMs: number;
  /** How long after its claim a slot may wait for the record that comes before the create call. */
  readonly claimGraceMs: number;
  /** Between two looks that agree, before an unknown machine is destroyed or a known one given up as vanished. */
  readonly confirmMs: number;
  /** Before a machine that is still listed is asked again to go. */
  readonly destroyRetryMs: number;
  /** How long a builder must have been ready, or be leased, to prove that the trouble is over. */
  readonly provenMs: number;
  /** Waits after the second failure in a row, doubled by each, up to `maxMs`. */
  readonly backoff: { readonly firstMs: number; readonly maxMs: number };
  /** Time limit of one call to the provider. */
  readonly callTimeoutMs: number;
  /** Calls to the provider under way at once. */
  readonly concurrency: number;
  /** Creates, and destroys, planned in one look: a look that takes long sees late. */
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
  // Three questions missed: an agent that hears nothing asks every 10 s at the slowest (agent/queue-client.ts). A NATS or a network that
  // comes back does so sooner, and silence counts anew after an outage.
  silenceTimeoutMs: 30_000,
  // Shorter than a week of security updates; long enough that renewing costs one machine a day for each in reserve.
  maxReadyAgeMs: 24 * 3_600_000,
  // Six listings a minute, whatever the number of builders, is nothing to a cloud's API.
  relistMs: 10_000,
  // A person waits for the boot or the slot: about what one notices.
  pendingMs: 1_000,
  // Events come in bursts (a build ends, its builder goes, another is made): one look answers several.
  minPassGapMs: 100,
  // Half of it to get the call sent, callTimeoutMs for the call, and the rest for the listing to show it.
  createGraceMs: 120_000,
  // Two writes to NATS lie between, of 5 s at most each. Without a record no create was called: a queue that was killed
  // there must not cost the pool a place for as long as a create may take.
  claimGraceMs: 10_000,
  // Longer than a burst of looks, so that two looks are two answers.
  confirmMs: 2_000,
  // Clouds take some seconds to mark a machine as being deleted.
  destroyRetryMs: 10_000,
  // Longer than it takes a bad image to come up and fall over.
  provenMs: 30_000,
  // A hiccup passes in seconds; a quota is raised by people, who want to see it taken up within minutes.
  backoff: { firstMs: 2_000, maxMs: 120_000 },
  // nova answers a create within a few seconds; what takes longer is looked up in the listing.
  callTimeoutMs: 30_000,
  // What a small cloud's API and a two-core workstation take without anybody noticing.
  concurrency: 4,
  callsPerPass: 8,
};

/** The defaults with what a site changes. Throws CbError "config" naming everything that does not hold together. */
export function poolPolicy(changes: Partial<PoolPolicy> = {}): PoolPolicy {
  const policy = { ...DEFAULT_POLICY, ...changes };
  const faults = [
    ...Object.entries({ ...policy, ...policy.backoff }).flatMap(([name, value]) =>
      typeof value === "number" && !(Number.isSafeInteger(value) && value >= 0) ? [`${name} is ${value}`] : [],
    ),
    ...(policy.totalMax < 1 ? ["totalMax is below 1: nothing could ever be built"] : []),
    ...(policy.concurrency < 1 || policy.callsPerPass < 1 ? ["concurrency and callsPerLook start at 1"] : []),
    ...(policy.minPassGapMs < 10 || policy.relistMs < policy.minPassGapMs
      ? ["minLookGapMs is at least 10, and relistMs not below it"]
      : []),
    ...(policy.createGraceMs < 2 * policy.callTimeoutMs ? ["createGraceMs is below twice callTimeoutMs"] : []),
  ];
  if (faults.length === 0) return policy;
  const hint = "durations are whole milliseconds, counts are whole numbers";
  throw new CbError("config", `the policy of pool ${policy.pool} does not hold: ${faults.join("; ")}`, { hint });
}
