/**
 * Answers a registry's challenges: basic, or a bearer token from the realm that it names (the token authentication
 * specification of the distribution project). The login is sent when it is asked for, to nobody else.
 */
import * as v from "valibot";
import { CbError } from "../core/errors.ts";
import type { Registry, RegistryLogin } from "./address.ts";
import { type Challenge, parseChallenges } from "./challenge.ts";
import { getJson, type JsonRequest } from "./get-json.ts";

/** Docker's token servers say `token`, OAuth's `access_token`; both when they want to please everybody. */
const tokenReply = v.object({
  token: v.optional(v.pipe(v.string(), v.maxLength(65_536))),
  access_token: v.optional(v.pipe(v.string(), v.maxLength(65_536))),
});
/** What RFC 6750 lets a token be: anything else would break the header. */
const TOKEN = /^[\w.~+/-]+=*$/;

/** The value of `Authorization` that the challenge asks for. Throws CbError "denied" when there is none to give. */
export async function authorize(registry: Registry, header: string, get: Omit<JsonRequest, "url">): Promise<string> {
  const challenges = parseChallenges(header);
  const bearer = challenges.find(({ scheme }) => scheme === "bearer");
  if (bearer !== undefined) return `Bearer ${await fetchToken(registry, bearer, get)}`;
  const { login } = registry;
  if (login === undefined) throw new CbError("denied", "it wants a login, and none is configured for it");
  if (!challenges.some(({ scheme }) => scheme === "basic")) {
    throw new CbError(
      "denied",
      `it wants ${challenges[0]?.scheme ?? "no known"} authentication, which is not supported`,
    );
  }
  return basic(login);
}

async function fetchToken(registry: Registry, challenge: Challenge, get: Omit<JsonRequest, "url">): Promise<string> {
  const url = tokenUrl(registry, challenge);
  const { login } = registry;
  const answer = await getJson({ ...get, url, authorization: login && basic(login) });
  if (answer.status !== 200) {
    const refused = answer.status === 401 || answer.status === 403;
    throw new CbError(refused ? "denied" : "infrastructure", `its token server ${url.host} answers ${answer.status}`);
  }
  const parsed = v.safeParse(tokenReply, answer.body);
  const token = parsed.success ? (parsed.output.token ?? parsed.output.access_token ?? "") : "";
  if (!TOKEN.test(token)) throw new CbError("infrastructure", `its token server ${url.host} sends no token`);
  return token;
}

/** The login goes there: with TLS, unless the registry itself was configured to do without. */
function tokenUrl(registry: Registry, { parameters }: Challenge): URL {
  const realm = parameters.get("realm") ?? "";
  const url = URL.canParse(realm) ? new URL(realm) : undefined;
  if (url?.protocol !== "https:" && !(registry.plainHttp && url?.protocol === "http:")) {
    throw new CbError("denied", `it names the token server ${realm.slice(0, 200)}, which is not https`);
  }
  url.username = "";
  url.password = "";
  for (const name of ["service", "scope"]) {
    const value = parameters.get(name);
    if (value !== undefined) url.searchParams.set(name, value);
  }
  return url;
}

const basic = ({ username, password }: RegistryLogin): string =>
  `Basic ${Buffer.from(`${username}:${password}`).toString("base64")}`;
