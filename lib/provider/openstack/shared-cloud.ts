/** The state that all pools on one cloud share: one login, one listing and one record of create attempts. */

import { CloudResources } from "./api/cloud-resources.ts";
import { Compute } from "./api/compute.ts";
import { CloudLimits } from "./api/limits.ts";
import { CloudSession, type OnCall, type SessionOptions } from "./api/session.ts";
import { Attempts } from "./attempts.ts";
import type { Cloud } from "./auth/cloud.ts";
import { type CloudChoice, findCloud } from "./auth/find-cloud.ts";
import { ServerListing } from "./server-listing.ts";

export interface SharedCloud {
  readonly installation: string;
  readonly session: CloudSession;
  readonly compute: Compute;
  readonly resources: CloudResources;
  readonly limits: CloudLimits;
  readonly listing: ServerListing;
  readonly attempts: Attempts;
}

/** Connects to nothing yet: the first call logs in. */
export function openCloud(cloud: Cloud, installation: string, options: SessionOptions = {}): SharedCloud {
  const session = new CloudSession(cloud, options);
  const compute = new Compute(session);
  return {
    installation,
    session,
    compute,
    resources: new CloudResources(session, compute),
    limits: new CloudLimits(session, compute),
    listing: new ServerListing(compute, installation),
    attempts: new Attempts(),
  };
}

/** Opens each cloud once, however many pools name it. */
export class SharedClouds {
  readonly #installation: string;
  readonly #onCall: OnCall | undefined;
  readonly #open = new Map<string, SharedCloud>();

  constructor(installation: string, onCall?: OnCall) {
    this.#installation = installation;
    this.#onCall = onCall;
  }

  /** Throws CbError "config" when the cloud is not described; see findCloud. */
  of({ cloud, region }: CloudChoice): SharedCloud {
    const key = JSON.stringify([cloud, region]);
    const open =
      this.#open.get(key) ?? openCloud(findCloud({ cloud, region }), this.#installation, { onCall: this.#onCall });
    this.#open.set(key, open);
    return open;
  }
}
