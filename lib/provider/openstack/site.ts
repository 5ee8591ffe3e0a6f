/** One cloud with one login: what the pools on it share. */

import { Compute } from "./api/compute.ts";
import { Session, type SessionOptions } from "./api/session.ts";
import { Attempts } from "./attempts.ts";
import type { Cloud } from "./auth/cloud.ts";
import { type CloudChoice, findCloud } from "./auth/find-cloud.ts";
import { Things } from "./cloud-resources.ts";
import { Limits } from "./limits.ts";
import { Listing } from "./listing.ts";

export interface Site {
  readonly installation: string;
  readonly session: Session;
  readonly compute: Compute;
  readonly things: Things;
  readonly limits: Limits;
  readonly listing: Listing;
  readonly attempts: Attempts;
}

export function siteOn(cloud: Cloud, installation: string, options: SessionOptions = {}): Site {
  const session = new Session(cloud, options);
  const compute = new Compute(session);
  const lists = { things: new Things(session, compute), limits: new Limits(session, compute) };
  const shared = { listing: new Listing(compute, installation), attempts: new Attempts() };
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
