/** Keystone's answer to a login: a token, how long it is good, and the catalog of the cloud's services. */
import * as v from "valibot";
import { CbError } from "../../../core/errors.ts";
import { faultText } from "../api/fault-text.ts";
import type { HttpReply } from "../api/http.ts";
import { firstFew } from "../first-few.ts";
import type { Cloud } from "./cloud.ts";

/** Fernet and JWS tokens are of base64url and dots; anything else would break the header. */
const TOKEN = /^[\w.=-]{1,8192}$/;

const endpoint = v.object({
  interface: v.string(),
  region_id: v.nullish(v.string()),
  region: v.nullish(v.string()),
  url: v.string(),
});
type Endpoint = v.InferOutput<typeof endpoint>;
const service = v.object({ type: v.string(), endpoints: v.array(endpoint) });
export type Catalog = readonly v.InferOutput<typeof service>[];

const time = v.pipe(v.string(), v.isoTimestamp());
const reply = v.object({
  token: v.object({
    issued_at: time,
    expires_at: time,
    project: v.optional(v.object({ id: v.string(), name: v.string() })),
    catalog: v.optional(v.array(service), []),
  }),
});

export interface Token {
  /** Secret. */
  readonly value: string;
  /** From the login on; by Keystone's own clock, so that ours may be wrong. */
  readonly lifeMs: number;
  readonly projectId: string;
  readonly catalog: Catalog;
}

/** As Keystone, and nobody else that may answer at a wrong address, words an error. */
const refusal = v.object({ error: v.object({ message: v.string() }) });

/** Throws CbError "config" when Keystone refuses the login, "infrastructure" when it answers something else. */
export function tokenIn(answer: HttpReply, { from, login, authUrl }: Cloud): Token {
  const { status, headers } = answer;
  // A secret that is revoked is 401 for a user and 404 for an application credential.
  if (status >= 400 && status < 500 && status !== 429 && v.is(refusal, answer.body)) {
    const hint = "the secret is wrong, has expired or was revoked, or user, project or domain are not of that name";
    throw new CbError("config", `${from}: Keystone refuses the login of ${login.who}: ${faultText(answer)}`, { hint });
  }
  if (status < 500 && status !== 201 && status !== 429) {
    throw new CbError(
      "config",
      `${from}: no Keystone v3 at auth_url ${authUrl}, the answer is ${status}: ${faultText(answer)}`,
    );
  }
  const parsed = v.safeParse(reply, answer.body);
  const value = headers.get("x-subject-token") ?? "";
  if (status !== 201 || !parsed.success || !TOKEN.test(value)) {
    const what = status === 201 ? "no token" : `${status}: ${faultText(answer)}`;
    throw new CbError("infrastructure", `Keystone at ${authUrl} answers a login with ${what}`);
  }
  const { issued_at, expires_at, project, catalog } = parsed.output.token;
  if (project === undefined) {
    throw new CbError("config", `${from}: the login of ${login.who} is for no project`, { hint: "set project_name" });
  }
  return { value, lifeMs: Date.parse(expires_at) - Date.parse(issued_at), projectId: project.id, catalog };
}

/** The words that a service's type is known by: the first is the official one, others are of older catalogs. */
const TYPES = { compute: ["compute"], network: ["network"], image: ["image"] } as const;
export type ServiceType = keyof typeof TYPES;

/** Without a slash at the end. Throws CbError "config" naming the region or the interface, and those there are. */
export function endpointOf(catalog: Catalog, service: ServiceType, cloud: Cloud): string {
  const types: readonly string[] = TYPES[service];
  const all = catalog.filter(({ type }) => types.includes(type)).flatMap(({ endpoints }) => endpoints);
  if (all.length === 0) {
    throw new CbError("config", `${cloud.from}: there is no service of the type ${service} in the catalog`);
  }
  const region = regionOf(all, cloud);
  const here = all.filter((one) => nameOfRegion(one) === region);
  const found = here.find((one) => one.interface.replace(/URL$/, "") === cloud.interface);
  if (found === undefined) {
    const hint = `set "interface" to one of ${firstFew(
      cloud.interface,
      here.map((one) => one.interface),
    )}`;
    throw new CbError("config", `${cloud.from}: there is no ${cloud.interface} interface to ${service}`, { hint });
  }
  return found.url.replace(/\/+$/, "");
}

function regionOf(endpoints: readonly Endpoint[], { from, region }: Cloud): string {
  const regions = [...new Set(endpoints.map(nameOfRegion))];
  const hint = `there is ${firstFew(region ?? "", regions)}`;
  if (region === undefined) {
    if (regions.length === 1) return regions[0] ?? "";
    throw new CbError("config", `${from}: region_name is missing, and there are ${regions.length} regions`, { hint });
  }
  if (regions.includes(region)) return region;
  throw new CbError("config", `${from}: there is no region ${region}`, { hint });
}

const nameOfRegion = ({ region_id, region }: Endpoint): string => region_id ?? region ?? "";
