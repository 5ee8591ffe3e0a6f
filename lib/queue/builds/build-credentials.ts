/** The credentials of one build, and how long they are valid. */
import type { BuildLimits } from "../../config/queue-config.ts";
import type { Clock } from "../../core/clock.ts";
import type { Issuer } from "../../nats/credentials/issuer.ts";
import { type LayersGrant, layersToken } from "../../oci/layers/token.ts";
import { ATTEMPTS_MAX } from "../../protocol/build-messages.ts";

/**
 * A credential is valid for this much longer than the longest wait and the longest build, so that an outage does not end
 * a build.
 */
export const OUTAGE_MS = 3600_000;

export interface BuildCredentialsOptions {
  readonly issuer: Issuer;
  readonly limits: Pick<BuildLimits, "waitMs" | "buildMs">;
  readonly clock: Clock;
}

export class BuildCredentials {
  readonly #options: BuildCredentialsOptions;

  constructor(options: BuildCredentialsOptions) {
    this.#options = options;
  }

  /** A JWT for the caller, who follows the build through all its attempts, each of which may wait. */
  forCaller(build: string, publicKey: string): string {
    const { issuer, limits, clock } = this.#options;
    const expiresAtMs = clock.nowMs() + ATTEMPTS_MAX * (limits.waitMs + limits.buildMs) + OUTAGE_MS;
    return issuer.buildJwt({ build, role: "caller", publicKey, expiresAtMs });
  }

  /** A JWT for the agent that runs one attempt. `tree`: the build with the packed tree of its lease. */
  forAgent(build: string, publicKey: string, tree?: string): string {
    const { issuer, limits, clock } = this.#options;
    const expiresAtMs = clock.nowMs() + limits.buildMs + OUTAGE_MS;
    return issuer.buildJwt({ build, role: "agent", tree, publicKey, expiresAtMs });
  }

  /** The token of one attempt for the layers of its user, valid as long as the agent's JWT. */
  forLayers(grant: Pick<LayersGrant, "user" | "arch" | "build">): string {
    const { issuer, limits, clock } = this.#options;
    const expiresAtMs = clock.nowMs() + limits.buildMs + OUTAGE_MS;
    return layersToken({ ...grant, expiresAtMs }, (data) => issuer.sign(data));
  }
}
