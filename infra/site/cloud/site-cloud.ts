/** The calls to the cloud of a site, with one login. */

import { CloudResources } from "../../../lib/provider/openstack/api/cloud-resources.ts";
import { Compute } from "../../../lib/provider/openstack/api/compute.ts";
import { Images } from "../../../lib/provider/openstack/api/images.ts";
import { NeutronCalls } from "../../../lib/provider/openstack/api/neutron.ts";
import { Ports } from "../../../lib/provider/openstack/api/ports.ts";
import { SecurityGroups } from "../../../lib/provider/openstack/api/security-groups.ts";
import { CloudSession } from "../../../lib/provider/openstack/api/session.ts";
import { findCloud } from "../../../lib/provider/openstack/auth/find-cloud.ts";
import type { CloudAnswers } from "./names.ts";

export interface SiteCloud {
  readonly compute: Compute;
  readonly resources: CloudResources;
  readonly images: Images;
  readonly groups: SecurityGroups;
  readonly ports: Ports;
}

/** Connects to nothing yet: the first call logs in. Throws CbError "config" when the cloud is not described; see findCloud. */
export function openSiteCloud({ cloud, region }: CloudAnswers): SiteCloud {
  const session = new CloudSession(findCloud({ cloud, region }));
  const compute = new Compute(session);
  const neutron = new NeutronCalls(session);
  return {
    compute,
    resources: new CloudResources(session, compute),
    images: new Images(session),
    groups: new SecurityGroups(neutron),
    ports: new Ports(neutron),
  };
}
