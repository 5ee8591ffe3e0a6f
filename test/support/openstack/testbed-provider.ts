/** The OpenStack provider with the testbed, with its own login and listing. */
import { findCloud } from "../../../lib/provider/openstack/auth/find-cloud.ts";
import { OpenStackProvider } from "../../../lib/provider/openstack/provider.ts";
import { openCloud } from "../../../lib/provider/openstack/shared-cloud.ts";

const DOMAIN = { OS_USER_DOMAIN_NAME: "Default", OS_PROJECT_DOMAIN_NAME: "Default" };
const LOGIN = { OS_USERNAME: "demo", OS_PASSWORD: "secret", OS_PROJECT_NAME: "demo", ...DOMAIN };
const TEMPLATE = { flavor: "t.nano", image: "stub", networks: ["lab"] };

export interface TestbedProviderOptions {
  readonly installation: string;
  /** Default: keystone. A test that counts or changes calls passes the address of its OpenStackProxy. */
  readonly authUrl?: string;
}

export function testbedProvider({ installation, authUrl }: TestbedProviderOptions): OpenStackProvider {
  const location = {
    OS_AUTH_URL: authUrl ?? "http://127.0.0.1:5000/v3",
    OS_REGION_NAME: "RegionOne",
    HOME: "/nonexistent",
  };
  return new OpenStackProvider(openCloud(findCloud({}, { ...LOGIN, ...location }), installation), TEMPLATE);
}
