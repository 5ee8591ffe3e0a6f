/** How long credentials are good for. */
import { ATTEMPTS_MAX } from "../../protocol/build-messages.ts";

/** A credential outlives the longest wait and the longest build by this much, so that an outage does not end a build. */
export const OUTAGE_MS = 3600_000;

/** A caller watches a build through all its attempts, each of which may wait. */
export const watchingMs = ({ waitMs, buildMs }: { waitMs: number; buildMs: number }): number =>
  ATTEMPTS_MAX * (waitMs + buildMs) + OUTAGE_MS;
