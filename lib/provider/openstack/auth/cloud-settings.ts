/** The schema of an entry of clouds.yaml: the keys that are read. Keys for other programs are ignored. */
import * as v from "valibot";

/** Our own message, because valibot's quotes the value, which may be a password written without quotes. */
const text = v.string("must be a text; put it in quotes");
const setting = v.optional(text);

const authSettings = v.object({
  auth_url: setting,
  username: setting,
  user_id: setting,
  password: setting,
  user_domain_name: setting,
  user_domain_id: setting,
  project_name: setting,
  project_id: setting,
  project_domain_name: setting,
  project_domain_id: setting,
  domain_name: setting,
  domain_id: setting,
  default_domain: setting,
  /** The name of projects before Keystone v3, still used in old files. */
  tenant_name: setting,
  tenant_id: setting,
  application_credential_id: setting,
  application_credential_name: setting,
  application_credential_secret: setting,
});
export type AuthSettings = v.InferOutput<typeof authSettings>;

export const cloudSettings = v.object({
  auth: v.optional(authSettings, {}),
  auth_type: setting,
  profile: setting,
  region_name: setting,
  regions: v.optional(v.array(v.union([text, v.object({ name: text })]))),
  interface: setting,
  endpoint_type: setting,
  cacert: setting,
  verify: v.optional(v.boolean("must be true or false")),
  identity_api_version: v.optional(v.union([text, v.number()])),
});
export type CloudSettings = v.InferOutput<typeof cloudSettings>;
