/** A credential outlives the longest wait and the longest build by this much, so that an outage does not end a build. */
export const OUTAGE_MS = 3600_000;
