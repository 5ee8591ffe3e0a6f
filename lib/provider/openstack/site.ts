/** One cloud with one login: what the pools on it share. */

import { Compute } from "./api/compute.ts";
import { CloudSession, type SessionOptions } from "./api/session.ts";
import { Attempts } from "./attempts.ts";
import type { Cloud } from "./auth/cloud.ts";
import { type CloudChoice, findCloud } from "./auth/find-cloud.ts";
import { CloudResources } from "./cloud-resources.ts";
import { CloudLimits } from "./limits.ts";
import { ServerListing } from "./listing.ts";

export interface Site {
  readonly installation: string;
  readonly session: CloudSession;
  readonly compute: Compute;
  readonly things: CloudResources;
  readonly limits: CloudLimits;
  readonly listing: ServerListing;
  readonly attempts: Attempts;
}

export function siteOn(cloud: Cloud, installation: string, options: SessionOptions = {}): Site {
  const session = new CloudSession(cloud, options);
  const compute = new Compute(session);
  const lists = { things: new CloudResources(session, compute), limits: new CloudLimits(session, compute) };
  const shared = { listing: new ServerListing(compute, installation), attempts: new Attempts() };
  return { installation, session, compute, ...lists, ...shared };
}

/** Each cloud that pools name is opened once, so that one login and one listing serve all of them. */
export class Sites {
  readonly #installation: string;
  readonly #open = new Map<string, Site>();

  constructor(installation: string) {
    this.#installation = installation;
  }

  /** Throws CbError "config" where no such cloud is described; see findCloud. */
  of({ cloud, region }: CloudChoice): Site {
    const key = JSON.stringify([cloud, region]);
    const open = this.#open.get(key) ?? siteOn(findCloud({ cloud, region }), this.#installation);
    this.#open.set(key, open);
    return open;
  }
}
