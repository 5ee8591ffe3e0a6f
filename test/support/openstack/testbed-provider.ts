/** The OpenStack provider on the testbed, with a login and a listing of its own. */
import { findCloud } from "../../../lib/provider/openstack/auth/find-cloud.ts";
import { OpenStackProvider } from "../../../lib/provider/openstack/provider.ts";
import { siteOn } from "../../../lib/provider/openstack/site.ts";

const DOMAIN = { OS_USER_DOMAIN_NAME: "Default", OS_PROJECT_DOMAIN_NAME: "Default" };
const LOGIN = { OS_USERNAME: "demo", OS_PASSWORD: "secret", OS_PROJECT_NAME: "demo", ...DOMAIN };
const SHAPE = { flavor: "t.nano", image: "stub", networks: ["lab"] };

export interface TestbedProviderOptions {
  readonly installation: string;
  /** Default: keystone itself; a proxy's, where calls are counted or treated. */
  readonly authUrl?: string;
}

export function testbedProvider({ installation, authUrl }: TestbedProviderOptions): OpenStackProvider {
  const place = {
    OS_AUTH_URL: authUrl ?? "http://127.0.0.1:5000/v3",
    OS_REGION_NAME: "RegionOne",
    HOME: "/nonexistent",
  };
  return new OpenStackProvider(siteOn(findCloud({}, { ...LOGIN, ...place }), installation), SHAPE);
}
